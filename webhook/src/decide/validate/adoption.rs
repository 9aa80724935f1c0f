//! Adoption of pods. The controllers of Kubernetes adopt every pod that has no controller and matches their selector, whoever
//! created it: its outcome then counts for their own object. So a pod may be adopted only by an object of its own user.

use namesake_core::{Reason, User};

use crate::review::refused::Refused;

/// The user that a pod runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunsAs {
    /// This user, proven by the Identity of its account or by its signed resolution.
    User(User),
    /// A managed account whose user is not proven.
    Unproven,
    /// No identity: Namesake left it as it was.
    NoIdentity,
}

/// The user of the object that becomes the controller of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControllerUser {
    /// A stamped object of this user.
    User(User),
    /// An object of a kind that is stamped, without a valid stamp that names a user.
    Unproven,
    /// A kind that is never stamped, such as a ReplicaSet.
    NeverStamped,
    /// There is no object with this name and UID.
    NoSuchObject,
}

/// Checks that the new controller of a pod belongs to the pod's user. `owner` is the controller's kind and name.
///
/// # Errors
/// When the object belongs to another user, or has no proven user while the pod has an identity.
pub fn check_adoption(
    requester: &str,
    pod: (&str, &RunsAs),
    owner: (&str, &ControllerUser),
) -> Result<(), Refused> {
    let ((pod, runs_as), (object, owner)) = (pod, owner);
    let is_allowed = match (runs_as, owner) {
        (RunsAs::User(user), ControllerUser::User(owner)) => user == owner,
        (RunsAs::NoIdentity, ControllerUser::Unproven | ControllerUser::NeverStamped) => true,
        _ => false,
    };
    if is_allowed {
        return Ok(());
    }
    let runs_as = match runs_as {
        RunsAs::User(user) => format!("runs as {user}"),
        RunsAs::Unproven => "runs as a managed service account".to_owned(),
        RunsAs::NoIdentity => "has no identity".to_owned(),
    };
    let owner_text = match owner {
        ControllerUser::User(user) => format!("belongs to {user}"),
        ControllerUser::Unproven | ControllerUser::NeverStamped => "has no proven user".to_owned(),
        ControllerUser::NoSuchObject => "is not the object with that UID".to_owned(),
    };
    let message = format!(
        "pod {pod} {runs_as}, and {object}, which would be its controller, {owner_text}: the outcome of a pod counts for its controller, \
         so {requester} may not adopt it: delete the pod, or remove the labels by which it is selected"
    );
    // Only the controllers of Kubernetes have accounts there.
    let by_kubernetes = requester.starts_with("system:serviceaccount:kube-system:")
        || requester == "system:kube-controller-manager";
    Err(if by_kubernetes {
        Refused::not_to_be_adopted(Reason::NotItsOwner, message)
    } else {
        Refused::new(Reason::NotItsOwner, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROLLER: &str = "system:serviceaccount:kube-system:job-controller";

    fn user(name: &str) -> User {
        User::canonical(name).unwrap()
    }

    fn code(requester: &str, runs_as: &RunsAs, owner: &ControllerUser) -> Option<u16> {
        let adopted = check_adoption(requester, ("p", runs_as), ("Job j", owner));
        adopted.err().map(|refused| refused.code)
    }

    #[test]
    fn a_pod_may_be_adopted_by_an_object_of_its_own_user_and_one_without_identity_by_one_without_user()
     {
        let (alice, bob) = (user("alice@acme.com"), user("bob@acme.com"));
        let pods = [
            RunsAs::User(alice.clone()),
            RunsAs::Unproven,
            RunsAs::NoIdentity,
        ];
        let owners = [
            ControllerUser::User(alice),
            ControllerUser::User(bob),
            ControllerUser::Unproven,
            ControllerUser::NeverStamped,
            ControllerUser::NoSuchObject,
        ];
        let allowed: Vec<_> = pods
            .iter()
            .map(|pod| {
                owners
                    .iter()
                    .map(|owner| code(CONTROLLER, pod, owner).is_none())
                    .collect::<Vec<_>>()
            })
            .collect();
        let expected: [Vec<bool>; 3] = [
            vec![true, false, false, false, false],
            vec![false, false, false, false, false],
            vec![false, false, true, true, false],
        ];
        assert_eq!(allowed, expected);
    }

    #[test]
    fn a_controller_of_kubernetes_gets_not_found_and_others_get_forbidden() {
        let (pod, owner) = (RunsAs::Unproven, ControllerUser::Unproven);
        assert_eq!(code(CONTROLLER, &pod, &owner), Some(404));
        assert_eq!(code("mallory@acme.com", &pod, &owner), Some(403));
        let refused = check_adoption("mallory", ("p", &pod), ("Job j", &owner)).unwrap_err();
        for part in ["pod p", "Job j", "mallory"] {
            assert!(refused.message.contains(part), "{}", refused.message);
        }
    }
}

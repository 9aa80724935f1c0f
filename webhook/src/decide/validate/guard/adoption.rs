//! Who adopts a pod. The controllers of Kubernetes take every pod that has no controller and fits their selector, whoever made
//! it: what it comes to is then what their own object comes to. So a pod is adopted by an object of its own user's only.

use namesake_core::User;

use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;

/// As whom a pod runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunsAs {
    /// This user, proven by the Identity of its account or by our signed resolution.
    User(User),
    /// A managed account, and nobody is proven to be its user.
    Unproven,
    /// Nobody: Namesake left it as it was.
    Nobody,
}

/// Whose the object is that becomes its controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerOf {
    /// A stamped object of this user.
    User(User),
    /// An object of a kind that is stamped, which has no stamp that counts.
    Nobody,
    /// A kind whose pods run as nobody, such as a ReplicaSet.
    Unstamped,
    /// Name and UID are not of one object.
    NoSuchObject,
}

/// Checks that a pod gets a controller of its own user's. `owner` is that object's kind and name.
///
/// # Errors
/// Another user's, or one of nobody's for a pod that runs as somebody.
pub fn adopt(
    requester: &str,
    pod: (&str, &RunsAs),
    owner: (&str, &OwnerOf),
) -> Result<(), Refused> {
    let ((pod, runs_as), (object, owner)) = (pod, owner);
    let ours = match (runs_as, owner) {
        (RunsAs::User(user), OwnerOf::User(owner)) => user == owner,
        (RunsAs::Nobody, OwnerOf::Nobody | OwnerOf::Unstamped) => true,
        _ => false,
    };
    if ours {
        return Ok(());
    }
    let runs_as = match runs_as {
        RunsAs::User(user) => format!("runs as {user}"),
        RunsAs::Unproven => "runs as an account of Namesake's".to_owned(),
        RunsAs::Nobody => "runs as nobody".to_owned(),
    };
    let whose = match owner {
        OwnerOf::User(user) => format!("belongs to {user}"),
        OwnerOf::Nobody | OwnerOf::Unstamped => "belongs to nobody".to_owned(),
        OwnerOf::NoSuchObject => "is not the object with that UID".to_owned(),
    };
    let message = format!(
        "pod {pod} {runs_as}, and {object}, which would be its controller, {whose}: what becomes of a pod counts for its \
         controller, so {requester} may not adopt it: delete the pod, or take away the labels by which it is found"
    );
    // The controllers of Kubernetes have accounts there, and nobody else.
    let by_kubernetes = requester.starts_with("system:serviceaccount:kube-system:")
        || requester == "system:kube-controller-manager";
    Err(if by_kubernetes {
        Refused::not_to_be_adopted(RefusalReason::NotItsOwner, message)
    } else {
        Refused::forbidden(RefusalReason::NotItsOwner, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROLLER: &str = "system:serviceaccount:kube-system:job-controller";

    fn user(name: &str) -> User {
        User::canonical(name).unwrap()
    }

    fn code(requester: &str, runs_as: &RunsAs, owner: &OwnerOf) -> Option<u16> {
        let adopted = adopt(requester, ("p", runs_as), ("Job j", owner));
        adopted.err().map(|refused| refused.code)
    }

    #[test]
    fn a_pod_is_adopted_by_an_object_of_its_own_users_or_one_of_nobodys_by_nobodys() {
        let (alice, bob) = (user("alice@acme.com"), user("bob@acme.com"));
        let pods = [
            RunsAs::User(alice.clone()),
            RunsAs::Unproven,
            RunsAs::Nobody,
        ];
        let owners = [
            OwnerOf::User(alice),
            OwnerOf::User(bob),
            OwnerOf::Nobody,
            OwnerOf::Unstamped,
            OwnerOf::NoSuchObject,
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
    fn a_controller_of_kubernetes_goes_on_without_the_pod_and_others_are_forbidden() {
        let (pod, owner) = (RunsAs::Unproven, OwnerOf::Nobody);
        assert_eq!(code(CONTROLLER, &pod, &owner), Some(404));
        assert_eq!(code("mallory@acme.com", &pod, &owner), Some(403));
        let refused = adopt("mallory", ("p", &pod), ("Job j", &owner)).unwrap_err();
        for part in ["pod p", "Job j", "mallory"] {
            assert!(refused.message.contains(part), "{}", refused.message);
        }
    }
}

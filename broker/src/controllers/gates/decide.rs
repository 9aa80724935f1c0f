//! Whether a gate may open: pure. The pod's account decides, through its Identity; what the pod's labels say proves nothing.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use namesake_api::names::{GATE, READY, WAITING_ANNOTATION};
use namesake_api::{Identity, conditions};

use crate::identity::conditions::holds;
use crate::identity::reason::ConditionReason;

/// What matters of a pod that waits at our gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gated {
    /// Name of the pod.
    pub name: String,
    /// UID of the pod.
    pub uid: String,
    /// The KSA that it runs as.
    pub service_account: String,
    /// Where our gate is in `spec.schedulingGates`.
    pub index: usize,
    /// When the pod was made.
    pub created: Option<Timestamp>,
    /// What the pod says about why it waits.
    pub says: Option<String>,
}

/// What becomes of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The identity works: the gate opens.
    Open,
    /// It does not yet, for this reason: a word, and a sentence for people.
    Wait {
        /// CamelCase word.
        reason: String,
        /// What the pod waits for.
        message: String,
    },
}

impl Gated {
    /// The pod, if it waits at our gate.
    #[must_use]
    pub fn of(pod: &Pod) -> Option<Self> {
        let spec = pod.spec.as_ref()?;
        let index = spec
            .scheduling_gates
            .as_ref()?
            .iter()
            .position(|gate| gate.name == GATE)?;
        Some(Self {
            name: pod.name_any(),
            uid: pod.uid()?,
            service_account: spec.service_account_name.clone()?,
            index,
            created: pod.creation_timestamp().map(|time| time.0),
            says: pod.annotations().get(WAITING_ANNOTATION).cloned(),
        })
    }
}

/// Decides about one pod. `identity` has the name of the pod's KSA; `live` is the UID of the KSA that is there now.
#[must_use]
pub fn decide(pod: &Gated, identity: Option<&Identity>, live: Option<&str>) -> Verdict {
    let wait = |reason: &str, message: String| Verdict::Wait {
        reason: reason.to_owned(),
        message,
    };
    let account = &pod.service_account;
    let Some(identity) = identity else {
        return wait(
            ConditionReason::NoIdentity.as_str(),
            format!("service account {account} has no Identity: start the task again"),
        );
    };
    if identity.metadata.deletion_timestamp.is_some() {
        return wait(
            ConditionReason::Deleting.as_str(),
            format!("Identity {account} is being deleted: start the task again when it is gone"),
        );
    }
    let status = identity.status.clone().unwrap_or_default();
    if !holds(&status, identity.metadata.generation, READY) {
        let ready = conditions::get(&status.conditions, READY).filter(|c| c.status != "True");
        let (reason, message) = ready.map_or(
            (
                ConditionReason::Pending.as_str(),
                "it was asked for just now",
            ),
            |c| (c.reason.as_str(), c.message.as_str()),
        );
        return wait(
            reason,
            format!(
                "the identity of {} is not ready: {message}",
                whose(identity)
            ),
        );
    }
    match (live, identity.service_account_uid()) {
        (Some(live), Some(proven)) if live == proven => Verdict::Open,
        _ => wait(
            ConditionReason::Recreated.as_str(),
            format!("service account {account} is not the one that was proven: it is proven again"),
        ),
    }
}

fn whose(identity: &Identity) -> String {
    let user = &identity.spec.user;
    if user.is_empty() {
        format!("class {}", identity.spec.class)
    } else {
        user.clone()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use namesake_api::{IdentityStatus, Mode};

    use super::*;
    use crate::fixtures;
    use crate::identity::conditions::{Finding, PARTS, record};

    fn pod() -> Gated {
        Gated {
            name: "t-1".into(),
            uid: "p".into(),
            service_account: fixtures::identity().name_any(),
            index: 0,
            created: None,
            says: None,
        }
    }

    fn ready() -> Identity {
        let mut identity = fixtures::identity();
        let mut status = IdentityStatus {
            service_account_uid: Some("u-1".into()),
            ..IdentityStatus::default()
        };
        let all: Vec<_> = PARTS
            .into_iter()
            .map(|part| Finding::holds(part, ConditionReason::Created, ""))
            .collect();
        record(
            &mut status,
            identity.metadata.generation,
            Mode::Impersonate,
            &all,
            Timestamp::UNIX_EPOCH,
        );
        identity.status = Some(status);
        identity
    }

    fn reason(verdict: Verdict) -> String {
        match verdict {
            Verdict::Open => "Open".into(),
            Verdict::Wait { reason, .. } => reason,
        }
    }

    #[test]
    fn only_a_ready_identity_with_its_own_account_opens_the_gate() {
        assert_eq!(decide(&pod(), Some(&ready()), Some("u-1")), Verdict::Open);
        assert_eq!(
            reason(decide(&pod(), Some(&ready()), Some("u-2"))),
            "Recreated"
        );
        assert_eq!(reason(decide(&pod(), Some(&ready()), None)), "Recreated");
        assert_eq!(reason(decide(&pod(), None, Some("u-1"))), "NoIdentity");
        assert_eq!(
            reason(decide(&pod(), Some(&fixtures::identity()), Some("u-1"))),
            "Pending"
        );
    }

    #[test]
    fn an_identity_that_goes_or_changes_holds_the_gate() {
        let mut going = ready();
        going.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(
            reason(decide(&pod(), Some(&going), Some("u-1"))),
            "Deleting"
        );
        let mut changed = ready();
        changed.metadata.generation = Some(2);
        assert_eq!(
            reason(decide(&pod(), Some(&changed), Some("u-1"))),
            "Pending"
        );
    }

    #[test]
    fn a_pod_without_our_gate_is_nobody_to_us() {
        let pod = |gates| {
            serde_json::from_value::<Pod>(serde_json::json!({
                "metadata": {"name": "t-1", "uid": "p"},
                "spec": {"containers": [], "serviceAccountName": "mf-x", "schedulingGates": gates}
            }))
            .unwrap()
        };
        assert_eq!(
            Gated::of(&pod(serde_json::json!([{"name": "other"}]))),
            None
        );
        let both = serde_json::json!([{"name": "other"}, {"name": GATE}]);
        assert_eq!(Gated::of(&pod(both)).unwrap().index, 1);
    }
}

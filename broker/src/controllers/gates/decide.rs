//! Whether a gate may be opened: pure. The pod's service account decides, through its Identity; labels of the pod prove nothing.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use namesake_api::names::{DECISION_ANNOTATION, GATE, READY, WAITING_ANNOTATION};
use namesake_api::{Identity, conditions};
use namesake_core::Reason;

use crate::identity::finding::{known_reason, without_code};

/// A pod that waits at Namesake's gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatedPod {
    /// Name of the pod.
    pub name: String,
    /// UID of the pod.
    pub uid: String,
    /// The KSA that it runs as.
    pub service_account: String,
    /// Index of the gate in `spec.schedulingGates`.
    pub gate_index: usize,
    /// When the pod was created.
    pub created: Option<Timestamp>,
    /// Why it waits, as the pod's annotation says.
    pub waiting_annotation: Option<String>,
    /// Id of the webhook's decision about it.
    pub decision: Option<String>,
    /// Its containers.
    pub containers: Vec<GatedContainer>,
    /// Whether its status says why its containers wait: before a pod has a node, only the broker writes that.
    pub says_why: bool,
}

/// A container of a pod that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatedContainer {
    /// Its name.
    pub name: String,
    /// Its image; may be empty.
    pub image: String,
}

/// What happens to a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The identity works, and the gate is opened.
    Open,
    /// The identity does not work yet.
    Wait {
        /// Why, for programs.
        reason: Reason,
        /// Why, for people.
        message: String,
    },
}

impl Verdict {
    /// Whether the pod waits for something that does not pass by itself.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Wait { reason, .. } if reason.is_lasting())
    }
}

impl GatedPod {
    /// The pod, if it waits at Namesake's gate.
    #[must_use]
    pub fn of(pod: &Pod) -> Option<Self> {
        let spec = pod.spec.as_ref()?;
        let mut gates = spec.scheduling_gates.iter().flatten();
        let gate_index = gates.position(|gate| gate.name == GATE)?;
        let container = |container: &Container| GatedContainer {
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
        };
        let status = pod.status.as_ref();
        let written = status.and_then(|status| status.container_statuses.as_ref());
        Some(Self {
            name: pod.name_any(),
            uid: pod.uid()?,
            service_account: spec.service_account_name.clone()?,
            gate_index,
            created: pod.creation_timestamp().map(|time| time.0),
            waiting_annotation: pod.annotations().get(WAITING_ANNOTATION).cloned(),
            decision: pod.annotations().get(DECISION_ANNOTATION).cloned(),
            containers: spec.containers.iter().map(container).collect(),
            says_why: written.is_some_and(|written| !written.is_empty()),
        })
    }
}

/// Decides about one pod. `identity` is the Identity with the name of the pod's KSA; `account_uid` is the UID of the existing KSA.
#[must_use]
pub fn decide(pod: &GatedPod, identity: Option<&Identity>, account_uid: Option<&str>) -> Verdict {
    let wait = |reason, message| Verdict::Wait { reason, message };
    let account = &pod.service_account;
    let Some(identity) = identity else {
        let message = format!("service account {account} has no Identity: start the task again");
        return wait(Reason::NoIdentity, message);
    };
    if identity.metadata.deletion_timestamp.is_some() {
        let message =
            format!("Identity {account} is being deleted: start the task again when it is gone");
        return wait(Reason::Deleting, message);
    }
    if !identity.is_ready() {
        let status = identity.status.as_ref();
        let ready = status.and_then(|status| conditions::get(&status.conditions, READY));
        let (reason, message) = match ready.filter(|ready| ready.status != "True") {
            Some(ready) => (known_reason(&ready.reason), without_code(ready)),
            None => (Reason::Pending, "it was requested just now"),
        };
        let message = format!(
            "the identity of {} is not ready: {message}",
            owner(identity)
        );
        return wait(reason, message);
    }
    match (account_uid, identity.service_account_uid()) {
        (Some(existing), Some(verified)) if existing == verified => Verdict::Open,
        _ => {
            let message = format!(
                "service account {account} is not the one that was verified: it is verified again"
            );
            wait(Reason::Recreated, message)
        }
    }
}

fn owner(identity: &Identity) -> String {
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
    use crate::identity::conditions::record;
    use crate::identity::finding::{Finding, READY_PARTS};

    fn pod() -> GatedPod {
        GatedPod {
            name: "t-1".into(),
            uid: "p".into(),
            service_account: fixtures::identity().name_any(),
            gate_index: 0,
            created: None,
            waiting_annotation: None,
            decision: None,
            containers: Vec::new(),
            says_why: false,
        }
    }

    fn ready() -> Identity {
        let mut identity = fixtures::identity();
        let mut status = IdentityStatus {
            service_account_uid: Some("u-1".into()),
            ..IdentityStatus::default()
        };
        let all: Vec<_> = READY_PARTS
            .into_iter()
            .map(|part| Finding::holds(part, Reason::Created, ""))
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

    fn reason(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Open => "Open",
            Verdict::Wait { reason, .. } => reason.as_str(),
        }
    }

    #[test]
    fn the_gate_opens_only_for_a_ready_identity_with_its_verified_account() {
        assert_eq!(decide(&pod(), Some(&ready()), Some("u-1")), Verdict::Open);
        assert_eq!(
            reason(&decide(&pod(), Some(&ready()), Some("u-2"))),
            "Recreated"
        );
        assert_eq!(reason(&decide(&pod(), Some(&ready()), None)), "Recreated");
        assert_eq!(reason(&decide(&pod(), None, Some("u-1"))), "NoIdentity");
        assert_eq!(
            reason(&decide(&pod(), Some(&fixtures::identity()), Some("u-1"))),
            "Pending"
        );
    }

    #[test]
    fn the_gate_stays_closed_for_an_identity_that_is_deleted_or_changed() {
        let mut deleted = ready();
        deleted.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(
            reason(&decide(&pod(), Some(&deleted), Some("u-1"))),
            "Deleting"
        );
        let mut changed = ready();
        changed.metadata.generation = Some(2);
        assert_eq!(
            reason(&decide(&pod(), Some(&changed), Some("u-1"))),
            "Pending"
        );
    }

    #[test]
    fn a_pod_without_namesakes_gate_is_ignored() {
        let pod = |gates| {
            serde_json::from_value::<Pod>(serde_json::json!({
                "metadata": {"name": "t-1", "uid": "p"},
                "spec": {"containers": [], "serviceAccountName": "mf-x", "schedulingGates": gates}
            }))
            .unwrap()
        };
        assert_eq!(
            GatedPod::of(&pod(serde_json::json!([{"name": "other"}]))),
            None
        );
        let both = serde_json::json!([{"name": "other"}, {"name": GATE}]);
        assert_eq!(GatedPod::of(&pod(both)).unwrap().gate_index, 1);
    }
}

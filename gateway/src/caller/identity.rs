//! Identities as the gateway keeps them: tens of thousands, so only what it reads, and text that most of them lack is boxed.

use namesake_api::names::READY;
use namesake_api::{Identity, Phase, conditions};

/// An Identity as it is kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownIdentity {
    /// Its stack; those of another stack prove nothing here.
    pub stack: Box<str>,
    /// Canonical user; empty when its class is not per user.
    pub user: Box<str>,
    /// Class.
    pub class: Box<str>,
    /// E-mail of its GSA; `None` in mode direct.
    pub google_account: Option<Box<str>>,
    /// UID of the KSA that the broker created; `None` before that.
    pub service_account_uid: Option<Box<str>>,
    /// Its phase.
    pub phase: Phase,
    /// Whether its pods may still act as it.
    pub serves: bool,
    /// Why it does not work; `None` when it does.
    pub not_ready: Option<Box<NotReady>>,
}

/// Why an identity does not work, as its condition `Ready` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// For programs.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl KnownIdentity {
    /// What is kept of an Identity.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        let (spec, phase) = (&identity.spec, identity.phase());
        let is_deleted = identity.metadata.deletion_timestamp.is_some();
        Self {
            stack: spec.stack.as_str().into(),
            user: spec.user.as_str().into(),
            class: spec.class.as_str().into(),
            google_account: spec.google_service_account.as_deref().map(Into::into),
            service_account_uid: identity.service_account_uid().map(Into::into),
            phase,
            serves: !is_deleted && !spec.suspended && phase.serves_running_pods(),
            not_ready: (!identity.is_ready()).then(|| Box::new(NotReady::of(identity))),
        }
    }
}

impl NotReady {
    fn of(identity: &Identity) -> Self {
        let status = identity.status.as_ref();
        let ready = status.and_then(|status| conditions::get(&status.conditions, READY));
        match ready.filter(|ready| ready.status != "True") {
            Some(ready) => Self {
                reason: ready.reason.clone(),
                message: ready.message.clone(),
            },
            None => Self {
                reason: namesake_core::Reason::Pending.as_str().to_owned(),
                message: "it was requested or changed just now".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn known(change: impl FnOnce(&mut Value)) -> KnownIdentity {
        let mut identity = json!({"apiVersion": "namesake.dev/v1alpha1", "kind": "Identity",
            "metadata": {"name": "mf-a", "namespace": "research", "generation": 2},
            "spec": {"stack": "prod", "cluster": "c", "class": "research", "user": "alice@acme.com", "values": {},
                "mode": "direct", "project": "p", "key": "k"},
            "status": {"phase": "InUse", "serviceAccountUid": "u", "conditions": [{"type": "Ready", "status": "True",
                "reason": "Ready", "message": "", "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        change(&mut identity);
        KnownIdentity::of(&serde_json::from_value(identity).unwrap())
    }

    #[test]
    fn an_identity_serves_until_it_is_suspended_offboarded_or_deleted() {
        for phase in ["InUse", "Idle", "Draining", "Verifying", "Returning"] {
            assert!(
                known(|i| i["status"]["phase"] = json!(phase)).serves,
                "{phase}"
            );
        }
        for phase in ["Suspended", "Offboarding", "Gone"] {
            assert!(
                !known(|i| i["status"]["phase"] = json!(phase)).serves,
                "{phase}"
            );
        }
        assert!(!known(|i| i["spec"]["suspended"] = json!(true)).serves);
        assert!(
            !known(|i| i["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z")).serves
        );
    }

    #[test]
    fn what_is_not_ready_has_the_reason_of_its_condition() {
        assert_eq!(known(|_| {}).not_ready, None);
        let waiting = known(|i| {
            let ready = &mut i["status"]["conditions"][0];
            ready["status"] = json!("False");
            ready["reason"] = json!("Propagating");
            ready["message"] = json!("Google is slow");
        });
        let not_ready = waiting.not_ready.unwrap();
        assert_eq!(
            (&*not_ready.reason, &*not_ready.message),
            ("Propagating", "Google is slow")
        );
        let new = known(|i| i["status"] = Value::Null);
        assert_eq!(new.not_ready.unwrap().reason, "Pending");
        assert!(new.service_account_uid.is_none() && new.serves);
    }
}

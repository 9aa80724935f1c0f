//! Identities of the stack in all namespaces, reduced to what admission reads.

use std::sync::Arc;

use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client};
use namesake_api::names::STALLED;
use namesake_api::{Identity, conditions};

use super::WatchEvent;
use crate::decide::known::KnownIdentity;
use crate::state::State;

/// Keeps the Identities in memory; never returns.
pub(super) async fn run(client: Client, stack: &str, state: Arc<State>) {
    let events = watcher(Api::<Identity>::all(client), Config::default());
    super::follow("identities", &state, events, |update| {
        let applied = match update {
            WatchEvent::Apply(identity) if identity.spec.stack != stack => None,
            WatchEvent::Apply(identity) => apply(&state, identity),
            WatchEvent::Listed(listed) => {
                state.identities.keep_only(&listed);
                state.synced.identities.set();
                None
            }
            WatchEvent::Delete(Identity { metadata, .. }) => {
                if let (Some(namespace), Some(name)) = (metadata.namespace, metadata.name) {
                    state.identities.delete(&namespace, &name);
                }
                None
            }
            WatchEvent::Failed => None,
        };
        state.count_cached();
        applied
    })
    .await;
}

// Why the identity stopped working, if that does not pass by itself. The condition counts only for the current spec.
fn stalled(identity: &Identity) -> Option<Box<str>> {
    let conditions = &identity.status.as_ref()?.conditions;
    if !conditions::holds(conditions, STALLED, identity.metadata.generation) {
        return None;
    }
    let stalled = conditions::get(conditions, STALLED)?;
    Some(format!("{}: {}", stalled.reason, stalled.message).into())
}

fn apply(state: &State, identity: Identity) -> Option<(String, String)> {
    // An Identity that is being deleted, or that accepts no pods, counts as not existing: the broker decides what to do about it.
    let serves =
        identity.metadata.deletion_timestamp.is_none() && identity.phase().accepts_new_pods();
    let uid = identity.service_account_uid().filter(|_| serves);
    let known = KnownIdentity {
        service_account_uid: uid.map(Into::into),
        ready: identity.is_ready(),
        stalled: stalled(&identity),
        user: identity.spec.user,
        class: identity.spec.class,
    };
    let (namespace, name) = (identity.metadata.namespace?, identity.metadata.name?);
    state.identities.apply(&namespace, &name, known);
    Some((namespace, name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::state::system_clock;

    fn identity(change: impl FnOnce(&mut Value)) -> Identity {
        let mut identity = json!({"apiVersion": "namesake.dev/v1alpha1", "kind": "Identity",
            "metadata": {"name": "mf-a", "namespace": "research", "generation": 2},
            "spec": {"stack": "prod", "cluster": "c", "class": "research", "user": "alice@acme.com", "values": {},
                "mode": "direct", "project": "p", "key": "k"},
            "status": {"serviceAccountUid": "u", "conditions": [{"type": "Ready", "status": "True", "reason": "R",
                "message": "m", "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        change(&mut identity);
        serde_json::from_value(identity).unwrap()
    }

    fn seen(change: impl FnOnce(&mut Value)) -> KnownIdentity {
        let state = State::new(system_clock());
        apply(&state, identity(change)).unwrap();
        state.identities.get("research", "mf-a").unwrap()
    }

    #[test]
    fn an_identity_is_ready_if_it_was_verified_at_its_present_generation() {
        assert!(seen(|_| {}).ready);
        assert!(!seen(|i| i["metadata"]["generation"] = json!(3)).ready);
        assert!(!seen(|i| i["status"]["conditions"][0]["status"] = json!("False")).ready);
        assert!(!seen(|i| i["status"] = Value::Null).ready);
        let unknown = json!(null);
        assert!(!seen(|i| i["status"]["conditions"][0]["observedGeneration"] = unknown).ready);
    }

    #[test]
    fn a_stalled_identity_has_its_reason_until_its_spec_changes() {
        let stall = |i: &mut Value| {
            i["status"]["conditions"] = json!([{"type": "Stalled", "status": "True", "reason": "PermissionDenied",
                "message": "grant it", "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        };
        let known = seen(stall).stalled;
        assert_eq!(known.as_deref(), Some("PermissionDenied: grant it"));
        let changed = seen(|i| {
            stall(i);
            i["metadata"]["generation"] = json!(3);
        });
        assert_eq!((changed.stalled, seen(|_| {}).stalled), (None, None));
    }

    #[test]
    fn an_identity_that_is_being_removed_has_no_account() {
        let terminating =
            seen(|i| i["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
        assert_eq!(terminating.service_account_uid, None);
        for phase in ["Suspended", "Draining", "Offboarding", "Gone"] {
            let inactive = seen(|i| i["status"]["phase"] = json!(phase));
            assert_eq!(inactive.service_account_uid, None, "{phase}");
        }
        assert!(seen(|_| {}).service_account_uid.is_some());
    }
}

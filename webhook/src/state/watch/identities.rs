//! Identities of the stack in all namespaces, reduced to what admission reads.

mod watched;

use std::sync::Arc;

use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client};
use namesake_api::names::{READY, STALLED};
use namesake_api::{Phase, conditions};
use namesake_service::NamespaceAndName;

use self::watched::WatchedIdentity;
use super::WatchEvent;
use crate::decide::known::KnownIdentity;
use crate::state::State;

/// Keeps the Identities in memory; never returns.
pub(super) async fn run(client: Client, stack: &str, state: Arc<State>) {
    let events = watcher(Api::<WatchedIdentity>::all(client), Config::default());
    super::follow("identities", &state, events, |update| {
        let applied = match update {
            WatchEvent::Apply(identity) => apply(&state, stack, identity),
            WatchEvent::Listed(listed) => {
                state.identities.keep_only(&listed);
                state.synced.identities.set();
                None
            }
            WatchEvent::Delete(WatchedIdentity { metadata, .. }) => {
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

/// Reads one Identity; `None` if it does not exist or belongs to another stack.
///
/// # Errors
/// When the API server refuses or does not answer.
pub(crate) async fn fetch(
    client: &Client,
    stack: &str,
    namespace: &str,
    name: &str,
) -> Result<Option<KnownIdentity>, kube::Error> {
    let identities = Api::<WatchedIdentity>::namespaced(client.clone(), namespace);
    let found = identities.get_opt(name).await?;
    Ok(found.and_then(|identity| known(stack, identity)))
}

fn apply(state: &State, stack: &str, identity: WatchedIdentity) -> Option<NamespaceAndName> {
    let namespace = identity.metadata.namespace.clone()?;
    let name = identity.metadata.name.clone()?;
    let known = known(stack, identity)?;
    state.identities.apply(&namespace, &name, known);
    Some((namespace.into(), name.into()))
}

// What is kept of an Identity, if it is of this stack.
fn known(stack: &str, identity: WatchedIdentity) -> Option<KnownIdentity> {
    let WatchedIdentity {
        metadata,
        spec,
        status,
    } = identity;
    if spec.stack != stack {
        return None;
    }
    let status = status.unwrap_or_default();
    // An Identity that is being deleted, or that accepts no pods, counts as not existing: the broker decides what to do about it.
    let serves =
        metadata.deletion_timestamp.is_none() && status.phase.is_none_or(Phase::accepts_new_pods);
    let holds = |type_| conditions::holds(&status.conditions, type_, metadata.generation);
    // Why it stopped working, if that does not pass by itself.
    let stalled = conditions::get(&status.conditions, STALLED).filter(|_| holds(STALLED));
    Some(KnownIdentity {
        ready: holds(READY),
        stalled: stalled.map(|stalled| format!("{}: {}", stalled.reason, stalled.message).into()),
        service_account_uid: status.service_account_uid.filter(|_| serves),
        user: spec.user,
        class: spec.class,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::state::system_clock;

    fn identity(change: impl FnOnce(&mut Value)) -> WatchedIdentity {
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
        apply(&state, "prod", identity(change)).unwrap();
        state.identities.get("research", "mf-a").unwrap()
    }

    #[test]
    fn identities_of_other_stacks_are_not_kept() {
        let state = State::new(system_clock());
        assert_eq!(apply(&state, "try", identity(|_| {})), None);
        assert!(state.identities.is_empty());
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

//! Identities of all namespaces, slim.

use std::collections::HashSet;
use std::sync::Arc;

use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use namesake_api::names::{READY, STALLED};
use namesake_api::{Identity, conditions};

use crate::decide::known::KnownIdentity;
use crate::state::State;

/// Keeps the Identities in memory; never returns.
pub(super) async fn run(client: Client, state: Arc<State>) {
    let events = watcher(Api::<Identity>::all(client), Config::default());
    let mut listed = HashSet::new();
    super::follow("identities", &state, events, |event| {
        match event {
            Some(Event::Init) => listed.clear(),
            Some(Event::InitApply(identity)) => {
                if let Some(key) = apply(&state, identity) {
                    listed.insert(key);
                }
            }
            Some(Event::InitDone) => {
                state.identities.keep_only(&listed);
                listed = HashSet::new();
                state.synced.set_identities();
            }
            Some(Event::Apply(identity)) => {
                apply(&state, identity);
            }
            Some(Event::Delete(identity)) => {
                if let (Some(namespace), Some(name)) =
                    (identity.metadata.namespace, identity.metadata.name)
                {
                    state.identities.delete(&namespace, &name);
                }
            }
            None => {}
        }
        state.count_cached();
    })
    .await;
}

// The Ready condition, and of the Identity as it is now: after a change of its spec a pod waits for the proof again.
fn works(identity: &Identity) -> bool {
    let conditions = identity.status.as_ref().map(|s| &s.conditions);
    let ready = conditions.and_then(|all| conditions::get(all, READY));
    let fresh = |seen: Option<i64>| seen.is_none() || seen == identity.metadata.generation;
    ready.is_some_and(|c| c.status == "True" && fresh(c.observed_generation))
}

// Why it does not work, if that does not pass by itself. Of another spec it says nothing.
fn stalled(identity: &Identity) -> Option<Box<str>> {
    let conditions = identity.status.as_ref().map(|status| &status.conditions)?;
    let stalled = conditions::get(conditions, STALLED)?;
    let fresh = stalled.observed_generation == identity.metadata.generation;
    let text = || format!("{}: {}", stalled.reason, stalled.message).into();
    (stalled.status == "True" && fresh).then(text)
}

fn apply(state: &State, identity: Identity) -> Option<(String, String)> {
    // What is on its way out, or serves nobody now, is not known: the broker says what to do about it.
    let stays =
        identity.metadata.deletion_timestamp.is_none() && identity.phase().accepts_new_pods();
    let uid = identity.service_account_uid().filter(|_| stays);
    let known = KnownIdentity {
        service_account_uid: uid.map(Into::into),
        ready: works(&identity),
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
    fn an_identity_works_when_it_is_ready_at_its_present_generation() {
        assert!(seen(|_| {}).ready);
        assert!(!seen(|i| i["metadata"]["generation"] = json!(3)).ready);
        assert!(!seen(|i| i["status"]["conditions"][0]["status"] = json!("False")).ready);
        assert!(!seen(|i| i["status"] = Value::Null).ready);
    }

    #[test]
    fn a_stalled_identity_is_known_with_its_reason_until_its_spec_changes() {
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
    fn an_identity_on_its_way_out_is_not_known() {
        let leaving = seen(|i| i["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
        assert_eq!(leaving.service_account_uid, None);
        for phase in ["Suspended", "Draining", "Offboarding", "Gone"] {
            let resting = seen(|i| i["status"]["phase"] = json!(phase));
            assert_eq!(resting.service_account_uid, None, "{phase}");
        }
        assert!(seen(|_| {}).service_account_uid.is_some());
    }
}

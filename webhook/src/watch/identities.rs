//! Identities of all namespaces, slim.

use std::collections::HashSet;
use std::sync::Arc;

use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use namesake_api::Identity;

use crate::state::{Known, State};

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

fn apply(state: &State, identity: Identity) -> Option<(String, String)> {
    let known = Known {
        service_account_uid: identity.service_account_uid().map(Into::into),
        ready: identity.is_ready(),
        user: identity.spec.user,
        class: identity.spec.class,
    };
    let (namespace, name) = (identity.metadata.namespace?, identity.metadata.name?);
    state.identities.apply(&namespace, &name, known);
    Some((namespace, name))
}

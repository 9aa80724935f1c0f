//! Watches that keep the state in step with the cluster: rules, Identities, and the keys of the cluster's tokens.

use futures::future::join3;
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client};
use namesake_api::Identity;
use namesake_service::{NamespaceAndName, RulesEffect, WatchEvent, follow, watch_rules};

use super::{State, cluster_keys};
use crate::caller::KnownIdentity;

/// Runs every watch; never returns. Watches restart by themselves, with growing pauses.
pub(crate) async fn run(client: Client, namespace: &str, state: &State) {
    join3(
        rules(client.clone(), namespace, state),
        identities(client.clone(), state),
        cluster_keys::run(client, state),
    )
    .await;
}

async fn rules(client: Client, namespace: &str, state: &State) {
    let failed = || state.metrics.count_watch_failure("rules");
    let changed = |effect: &RulesEffect| {
        state.metrics.set_rules(effect);
        if state.rules.get().is_some() {
            state.synced.set_rules();
        }
    };
    watch_rules(client, namespace, &state.rules, failed, changed).await;
}

async fn identities(client: Client, state: &State) {
    let failed = || state.metrics.count_watch_failure("identities");
    let events = watcher(Api::<Identity>::all(client), Config::default());
    follow("identities", events, failed, |update| {
        let applied = match update {
            WatchEvent::Apply(identity) => apply(state, identity),
            WatchEvent::Listed(listed) => {
                state.identities.keep_only(&listed);
                state.synced.set_identities();
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
        state.metrics.set_identities(state.identities.len());
        applied
    })
    .await;
}

fn apply(state: &State, identity: Identity) -> Option<NamespaceAndName> {
    let known = KnownIdentity::of(&identity);
    let (namespace, name) = (identity.metadata.namespace?, identity.metadata.name?);
    state.identities.apply(&namespace, &name, known);
    Some((namespace.into(), name.into()))
}

//! The two ConfigMaps of rules: as written, and as last accepted.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use namesake_api::names::{ACCEPTED_RULES_CONFIG_MAP, RULES_CONFIG_MAP};
use namesake_service::{RulesFiles, rules_files};

use crate::state::{Offer, State};

/// Follows the rules as they are written; never returns.
pub(super) async fn current(client: Client, namespace: &str, state: Arc<State>) {
    let take = |files| report(&state, &state.rules.offer_current(files));
    one(client, namespace, RULES_CONFIG_MAP, &state, take).await;
}

/// Follows the rules that the broker accepted last; never returns.
pub(super) async fn accepted(client: Client, namespace: &str, state: Arc<State>) {
    let take = |files| report(&state, &state.rules.offer_accepted(files));
    one(client, namespace, ACCEPTED_RULES_CONFIG_MAP, &state, take).await;
}

async fn one(
    client: Client,
    namespace: &str,
    name: &str,
    state: &State,
    mut take: impl FnMut(Option<RulesFiles>),
) {
    let config = Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher(Api::<ConfigMap>::namespaced(client, namespace), config);
    let mut listed = None;
    super::follow("rules", state, events, |event| match event {
        Some(Event::Init) => listed = None,
        Some(Event::InitApply(map)) => listed = Some(rules_files(map.data.as_ref())),
        Some(Event::InitDone) => take(listed.take()),
        Some(Event::Apply(map)) => take(Some(rules_files(map.data.as_ref()))),
        Some(Event::Delete(_)) => take(None),
        None => {}
    })
    .await;
}

fn report(state: &State, offer: &Offer) {
    match offer {
        Offer::InForce { revision, new } => {
            if *new {
                tracing::info!(revision, "rules in force");
            }
            state.metrics.set_revision(revision);
            state.metrics.rules_invalid.set(0);
            state.synced.set_rules();
        }
        Offer::Ignored => {}
        Offer::Broken { problems, in_force } => {
            tracing::error!(
                problems,
                in_force,
                "the rules as written are broken; the last accepted ones stay in force"
            );
            state.metrics.rules_invalid.set(1);
            if let Some(revision) = in_force {
                state.metrics.set_revision(revision);
                state.synced.set_rules();
            }
        }
    }
}

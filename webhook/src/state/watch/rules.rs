//! The two ConfigMaps of rules: the current ones, and those that the broker accepted last.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client};
use namesake_api::names::{ACCEPTED_RULES_CONFIG_MAP, RULES_CONFIG_MAP};
use namesake_service::{RulesFiles, rules_files};

use super::WatchEvent;
use crate::state::{Effect, State};

/// Follows the current rules; never returns.
pub(super) async fn current(client: Client, namespace: &str, state: Arc<State>) {
    let take = |files| report(&state, &state.rules.set_current(files));
    follow_one(client, namespace, RULES_CONFIG_MAP, &state, take).await;
}

/// Follows the rules that the broker accepted last; never returns.
pub(super) async fn accepted(client: Client, namespace: &str, state: Arc<State>) {
    let take = |files| report(&state, &state.rules.set_accepted(files));
    follow_one(client, namespace, ACCEPTED_RULES_CONFIG_MAP, &state, take).await;
}

async fn follow_one(
    client: Client,
    namespace: &str,
    name: &str,
    state: &State,
    mut take: impl FnMut(Option<RulesFiles>),
) {
    let config = Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher(Api::<ConfigMap>::namespaced(client, namespace), config);
    super::follow("rules", state, events, |update| {
        match update {
            WatchEvent::Apply(map) => {
                take(Some(rules_files(map.data.as_ref())));
                return Some(());
            }
            WatchEvent::Delete(_) => take(None),
            WatchEvent::Listed(listed) if listed.is_empty() => take(None),
            WatchEvent::Listed(_) | WatchEvent::Failed => {}
        }
        None
    })
    .await;
}

fn report(state: &State, effect: &Effect) {
    match effect {
        Effect::InForce { revision, new } => {
            if *new {
                tracing::info!(revision, "rules in force");
            }
            state.metrics.set_revision(revision);
            state.metrics.rules_invalid.set(0);
            state.synced.set_rules();
        }
        Effect::Ignored => {}
        Effect::Invalid { problems, in_force } => {
            tracing::error!(
                problems,
                in_force,
                "the current rules are not valid; the last accepted ones stay in force"
            );
            state.metrics.rules_invalid.set(1);
            if let Some(revision) = in_force {
                state.metrics.set_revision(revision);
                state.synced.set_rules();
            }
        }
    }
}

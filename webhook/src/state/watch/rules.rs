//! The rules in force.

use kube::Client;
use namesake_service::{RulesEffect, watch_rules};

use crate::state::State;

/// Keeps the rules in force; never returns.
pub(super) async fn run(client: Client, namespace: &str, state: &State) {
    let failed = || state.metrics.count_watch_failure("rules");
    let changed = |effect: &RulesEffect| {
        let in_force = match effect {
            RulesEffect::Ignored => return,
            RulesEffect::InForce { revision, .. } => Some(revision),
            RulesEffect::Invalid { in_force, .. } => in_force.as_ref(),
        };
        let is_invalid = matches!(effect, RulesEffect::Invalid { .. });
        state.metrics.rules_invalid.set(is_invalid.into());
        if let Some(revision) = in_force {
            state.metrics.set_revision(revision);
            state.synced.rules.set();
        }
    };
    watch_rules(client, namespace, &state.rules, failed, changed).await;
}

//! The watch of the two ConfigMaps of rules: the current ones, and those that the broker accepted last.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client};
use namesake_api::names::{ACCEPTED_RULES_CONFIG_MAP, RULES_CONFIG_MAP};

use crate::follow::{WatchEvent, follow};
use crate::rules::{RulesFiles, rules_files};
use crate::rules_in_force::{RulesEffect, RulesInForce};

/// Keeps the rules in force in step with both ConfigMaps; never returns. `changed` gets the effect of each version, which is in the
/// log already, and `failed` is called at each failure of a watch.
pub async fn watch_rules(
    client: Client,
    namespace: &str,
    rules: &RulesInForce,
    failed: impl Fn(),
    changed: impl Fn(&RulesEffect),
) {
    let take = |effect: RulesEffect| {
        log(&effect);
        changed(&effect);
    };
    let current = |files| take(rules.set_current(files));
    let accepted = |files| take(rules.set_accepted(files));
    futures::future::join(
        watch_one(
            client.clone(),
            namespace,
            RULES_CONFIG_MAP,
            &failed,
            current,
        ),
        watch_one(
            client,
            namespace,
            ACCEPTED_RULES_CONFIG_MAP,
            &failed,
            accepted,
        ),
    )
    .await;
}

async fn watch_one(
    client: Client,
    namespace: &str,
    name: &str,
    failed: impl Fn(),
    take: impl Fn(Option<RulesFiles>),
) {
    let config = Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher(Api::<ConfigMap>::namespaced(client, namespace), config);
    follow("rules", events, failed, |update| {
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

fn log(effect: &RulesEffect) {
    match effect {
        RulesEffect::InForce {
            revision,
            new: true,
        } => tracing::info!(revision, "rules in force"),
        RulesEffect::InForce { .. } | RulesEffect::Ignored => {}
        RulesEffect::Invalid { problems, in_force } => tracing::error!(
            problems,
            in_force,
            "the current rules are not valid, or fail their own tests; the last accepted ones stay in force"
        ),
    }
}

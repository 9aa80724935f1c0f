//! Other mutating webhooks that can change a pod after Namesake's. Pure.

use k8s_openapi::api::admissionregistration::v1::MutatingWebhook;
use namesake_api::names::webhook_configuration;
use namesake_core::{Glob, Reason};

use namesake_service::may_match;

use super::{Finding, NamespaceLabels, Snapshot};
use crate::answer::text;
use namesake_webhook::state::installation::later_webhooks;

/// Prefix of `--trust` for webhook configurations.
const TRUSTED: &str = "webhook:";

/// Webhooks that are called for new pods of opted-in namespaces after Namesake's, for the first time or again.
pub(super) fn findings(
    snapshot: &Snapshot,
    opted_in: &[&NamespaceLabels],
    trust: &[String],
) -> Vec<Finding> {
    let globs = trust.iter().filter_map(|one| one.strip_prefix(TRUSTED));
    let trusted: Vec<_> = globs.map(Glob::new).collect();
    let all = snapshot.webhooks.as_deref().unwrap_or_default();
    let later = later_webhooks(all, &snapshot.home, &trusted).into_iter();
    let ours = webhook_configuration(&snapshot.home);
    later
        .filter_map(|(name, webhook)| finding(&name, webhook, opted_in, &ours))
        .collect()
}

fn finding(
    configuration: &str,
    webhook: &MutatingWebhook,
    opted_in: &[&NamespaceLabels],
    ours: &str,
) -> Option<Finding> {
    let after = configuration > ours;
    let selects = |place: &&&NamespaceLabels| {
        let selector = webhook.namespace_selector.as_ref();
        selector.is_none_or(|selector| may_match(selector, &place.labels))
    };
    let places: Vec<_> = opted_in
        .iter()
        .filter(selects)
        .map(|place| place.name.as_str())
        .collect();
    if places.is_empty() {
        return None;
    }
    let again = if after { "" } else { "again " };
    let what = format!(
        "is called {again}after Namesake for pods in {}, and can change their account and containers: the final check refuses such pods",
        text::some(&places)
    );
    let name = text::quoted(configuration);
    let remedy = format!(
        "if it only adds a container, list that under sidecars in the rules and pass --trust webhook:{name}; otherwise exclude these namespaces: \
         kubectl edit mutatingwebhookconfiguration {name} (namespaceSelector)"
    );
    let webhook = &webhook.name;
    let place = format!("MutatingWebhookConfiguration {configuration}, webhook {webhook}");
    Some(Finding::warning(
        Reason::CheckOtherWebhooks,
        place,
        what,
        remedy,
    ))
}

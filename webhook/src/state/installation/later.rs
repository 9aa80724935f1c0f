//! Other mutating webhooks that can change a pod after Namesake's. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations,
};
use kube::ResourceExt;
use namesake_api::names;
use namesake_core::Glob;
use namesake_service::may_match;

/// The namespaces among these, with their labels, in which no webhook of these configurations, other than those of the stack in
/// `home`, can change a new pod after it. None while the installation has faults. `trusted` are names of configurations whose
/// webhooks may.
#[must_use]
pub fn decides_last(
    (home, faults): (&str, &[String]),
    configurations: &[MutatingWebhookConfiguration],
    namespaces: &BTreeMap<String, BTreeMap<String, String>>,
    trusted: &[Glob],
) -> BTreeSet<String> {
    if !faults.is_empty() {
        return BTreeSet::new();
    }
    let later = later_webhooks(configurations, home, trusted);
    let is_free = |labels: &BTreeMap<String, String>| {
        later.iter().all(|(_, webhook)| {
            let selector = webhook.namespace_selector.as_ref();
            selector.is_some_and(|selector| !may_match(selector, labels))
        })
    };
    let free = namespaces.iter().filter(|(_, labels)| is_free(labels));
    free.map(|(name, _)| name.clone()).collect()
}

/// The webhooks, with the names of their configurations, that are called for new pods after those of the stack in `home`, for the
/// first time or again. Trusted configurations are left out, and those of other stacks: these select other namespaces, and only
/// admins write configurations of such a name.
#[must_use]
pub fn later_webhooks<'c>(
    configurations: &'c [MutatingWebhookConfiguration],
    home: &str,
    trusted: &[Glob],
) -> Vec<(String, &'c MutatingWebhook)> {
    let ours = names::webhook_configuration(home);
    let others = configurations.iter().filter(|c| {
        let name = c.name_any();
        names::namespace_of_configuration(&name).is_none()
            && !trusted.iter().any(|glob| glob.matches(&name))
    });
    others
        .flat_map(|c| c.webhooks.iter().flatten().map(move |w| (c.name_any(), w)))
        .filter(|(name, webhook)| is_after_ours(name, webhook, &ours))
        .collect()
}

// The API server calls configurations in the order of their names.
fn is_after_ours(configuration: &str, webhook: &MutatingWebhook, ours: &str) -> bool {
    let is_reinvoked = webhook.reinvocation_policy.as_deref() == Some("IfNeeded");
    (configuration > ours || is_reinvoked)
        && webhook.rules.iter().flatten().any(is_called_for_new_pods)
}

fn is_called_for_new_pods(rule: &RuleWithOperations) -> bool {
    let has = |list: &Option<Vec<String>>, wanted: &[&str]| {
        list.iter()
            .flatten()
            .any(|item| wanted.contains(&item.as_str()))
    };
    has(&rule.api_groups, &["", "*"])
        && has(&rule.operations, &["CREATE", "*"])
        && has(&rule.resources, &["pods", "*", "*/*"])
        && rule.scope.as_deref() != Some("Cluster")
}

#[cfg(test)]
mod tests;

//! Checks that the policies and webhooks of Namesake are installed as shipped. Policies cannot protect policies, so the webhook
//! checks them. Pure.

mod later;

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, MutatingWebhookConfiguration, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;
use namesake_api::names;

pub use later::{decides_last, later_webhooks};

/// The webhooks, and whether nothing may pass while they do not answer. An edit of the rules or of a workflow template may.
const WEBHOOKS: [(&str, bool); 8] = [
    (names::LABELS_WEBHOOK, true),
    (names::PODS_WEBHOOK, true),
    (names::MUTATE_WEBHOOK, true),
    (names::TEMPLATES_WEBHOOK, false),
    (names::NAMESPACES_WEBHOOK, true),
    (names::VALIDATE_WEBHOOK, true),
    (names::GUARD_WEBHOOK, true),
    (names::RULES_WEBHOOK, false),
];

/// The installed policies and webhook configurations.
#[derive(Clone, Debug, Default)]
pub struct Installation {
    /// The stack's own namespace.
    pub home: String,
    /// All policies.
    pub policies: Vec<ValidatingAdmissionPolicy>,
    /// All bindings of policies.
    pub bindings: Vec<ValidatingAdmissionPolicyBinding>,
    /// The mutating configuration of the stack.
    pub mutating: Option<MutatingWebhookConfiguration>,
    /// The validating configuration of the stack.
    pub validating: Option<ValidatingWebhookConfiguration>,
}

/// What the webhooks of both configurations have in common.
#[derive(Clone, Copy, Debug)]
pub struct InstalledWebhook<'i> {
    /// Its name.
    pub name: &'i str,
    /// What happens when it does not answer.
    pub failure_policy: Option<&'i str>,
    /// The certificate authorities that the API server trusts for it, in PEM; empty if none are set.
    pub ca_bundle: &'i [u8],
}

impl Installation {
    /// The webhooks of both configurations.
    pub fn webhooks(&self) -> impl Iterator<Item = InstalledWebhook<'_>> {
        let mutating = self
            .mutating
            .iter()
            .flat_map(|c| c.webhooks.iter().flatten());
        let mutating = mutating.map(|w| (&w.name, &w.failure_policy, &w.client_config));
        let validating = self
            .validating
            .iter()
            .flat_map(|c| c.webhooks.iter().flatten());
        let validating = validating.map(|w| (&w.name, &w.failure_policy, &w.client_config));
        let both = mutating.chain(validating);
        both.map(|(name, failure_policy, client_config)| InstalledWebhook {
            name,
            failure_policy: failure_policy.as_deref(),
            ca_bundle: client_config
                .ca_bundle
                .as_ref()
                .map_or(&[], |bundle| &bundle.0),
        })
    }
}

/// The faults: what is missing or refuses less than as shipped, one sentence each. An admin may change the expressions of the
/// policies, but each policy must fail closed, be bound, and deny everywhere.
#[must_use]
pub fn faults(installation: &Installation) -> Vec<String> {
    let mut faults = Vec::new();
    for name in names::GUARDS {
        faults.extend(policy(installation, name));
        faults.extend(binding(installation, name, true));
    }
    faults.extend(policy(installation, names::TOKEN_GUARD));
    faults.extend(binding(installation, names::TOKEN_GUARD, false));
    let webhooks: Vec<_> = installation.webhooks().collect();
    for (name, fails_closed) in WEBHOOKS {
        let found = webhooks.iter().find(|webhook| webhook.name == name);
        match found.map(|webhook| webhook.failure_policy) {
            None => faults.push(format!("webhook {name} is missing")),
            Some(policy) if policy == Some("Fail") || !fails_closed => {}
            Some(policy) => faults.push(format!(
                "webhook {name} has failurePolicy {}, not Fail",
                policy.unwrap_or("none")
            )),
        }
    }
    faults
}

fn policy(installation: &Installation, name: &str) -> Option<String> {
    let Some(found) = installation.policies.iter().find(|p| p.name_any() == name) else {
        return Some(format!("policy {name} is missing"));
    };
    let spec = found.spec.as_ref();
    let fails = spec.and_then(|s| s.failure_policy.as_deref()) == Some("Fail");
    let validates = spec.is_some_and(|s| s.validations.iter().flatten().next().is_some());
    match (fails, validates) {
        (true, true) => None,
        (false, _) => Some(format!("policy {name} does not have failurePolicy Fail")),
        (true, false) => Some(format!("policy {name} has no validations")),
    }
}

fn binding(installation: &Installation, name: &str, denies: bool) -> Option<String> {
    let mut bindings = installation.bindings.iter().map(|b| &b.spec);
    let mut own = bindings.by_ref().filter(|b| b.policy_name == name);
    let holds = own.any(|b| {
        let actions = b.validation_actions.iter();
        let matches = b.match_resources.as_ref();
        let where_needed = match name {
            names::SYSTEM_GUARD => matches.is_none_or(|m| is_at(m, &installation.home)),
            _ => matches.is_none(),
        };
        let mut actions = actions.map(String::as_str);
        where_needed
            && b.param_ref.is_none()
            && actions.any(|a| a == "Deny" || (!denies && a == "Audit"))
    });
    let what = if denies { "Deny" } else { "Deny or Audit" };
    (!holds).then(|| format!("policy {name} has no binding with {what} for all that it matches"))
}

/// Whether a binding matches everything in this namespace.
fn is_at(matches: &MatchResources, namespace: &str) -> bool {
    let name = (names::NAMESPACE_NAME_LABEL.to_owned(), namespace.to_owned());
    let here = LabelSelector {
        match_labels: Some(BTreeMap::from([name])),
        match_expressions: None,
    };
    let rules = [&matches.resource_rules, &matches.exclude_resource_rules];
    let no_objects = matches.object_selector.as_ref();
    matches.namespace_selector == Some(here)
        && no_objects.is_none_or(|selector| *selector == LabelSelector::default())
        && rules
            .iter()
            .all(|rules| rules.iter().flatten().next().is_none())
}

#[cfg(test)]
pub(crate) mod shipped;
#[cfg(test)]
mod tests;

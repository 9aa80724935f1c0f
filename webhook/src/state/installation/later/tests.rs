use serde_json::{Value, json};

use super::*;
use crate::state::installation::faults;
use crate::state::installation::tests::installed;

/// The namespaces, of `free` and `injected`, in which Namesake decides last beside this webhook.
fn beside(name: &str, webhook: &Value, trusted: &[&str]) -> Vec<String> {
    let other = json!({"metadata": {"name": name}, "webhooks": [webhook]});
    let other = serde_json::from_value(other).unwrap();
    let installation = installed();
    let all = [installation.mutating.clone().unwrap(), other];
    let trusted: Vec<_> = trusted.iter().map(|glob| Glob::new(glob)).collect();
    let found = decides_last((&installation.home, &[]), &all, &namespaces(), &trusted);
    found.into_iter().collect()
}

fn namespaces() -> BTreeMap<String, BTreeMap<String, String>> {
    let label = |value: &str| BTreeMap::from([("inject".to_owned(), value.to_owned())]);
    BTreeMap::from([
        ("free".to_owned(), label("no")),
        ("injected".to_owned(), label("yes")),
    ])
}

fn webhook(resource: &str, more: &Value) -> Value {
    let mut webhook = json!({
        "name": "w.example.com", "clientConfig": {}, "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": [resource], "operations": ["CREATE"]}],
    });
    let more = more.as_object().into_iter().flatten();
    more.for_each(|(key, value)| webhook[key] = value.clone());
    webhook
}

#[test]
fn alone_namesake_decides_last_everywhere() {
    let installation = installed();
    let faults = faults(&installation);
    let found = decides_last((&installation.home, &faults), &[], &namespaces(), &[]);
    assert_eq!(found.len(), 2);
}

#[test]
fn a_webhook_that_can_change_pods_after_it_counts_in_the_namespaces_that_it_selects() {
    let again = json!({"reinvocationPolicy": "IfNeeded"});
    let selects = json!({"namespaceSelector": {"matchLabels": {"inject": "yes"}}});
    assert_eq!(beside("zzz", &webhook("pods", &json!({})), &[]), [""; 0]);
    assert_eq!(beside("aa", &webhook("*", &again), &[]), [""; 0]);
    assert_eq!(beside("zzz", &webhook("pods", &selects), &[]), ["free"]);
    assert_eq!(beside("aa", &webhook("pods", &json!({})), &[]).len(), 2);
    assert_eq!(
        beside("zzz", &webhook("services", &json!({})), &[]).len(),
        2
    );
}

#[test]
fn a_trusted_webhook_and_one_of_another_stack_do_not_count() {
    let other = || webhook("pods", &json!({}));
    assert_eq!(beside("zzz.gke.io", &other(), &["*.gke.io"]).len(), 2);
    assert_eq!(beside("zzz.example.io", &other(), &["*.gke.io"]).len(), 0);
    assert_eq!(beside("zz-namesake-blue", &other(), &[]).len(), 2);
}

#[test]
fn with_a_fault_of_the_installation_it_decides_last_nowhere() {
    let mut installation = installed();
    let configuration = installation.mutating.as_mut().unwrap();
    let webhooks = configuration.webhooks.as_mut().unwrap();
    webhooks.retain(|webhook| webhook.name != names::LABELS_WEBHOOK);
    let faults = faults(&installation);
    let found = decides_last((&installation.home, &faults), &[], &namespaces(), &[]);
    assert!(found.is_empty(), "{found:?}");
}

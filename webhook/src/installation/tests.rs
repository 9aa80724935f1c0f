use std::path::Path;

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, ValidatingAdmissionPolicyBindingSpec,
};
use serde_json::Value;

use super::*;

/// All that `manifests/base` has.
fn shipped() -> Vec<Value> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/base");
    let files = std::fs::read_dir(base).unwrap().map(|f| f.unwrap().path());
    let yaml = files.filter(|f| f.extension().is_some_and(|e| e == "yaml"));
    let texts: Vec<_> = yaml.map(|f| std::fs::read_to_string(f).unwrap()).collect();
    let documents = texts.iter().flat_map(|text| text.split("\n---\n"));
    documents
        .filter_map(|document| serde_saphyr::from_str::<Value>(document).ok())
        .collect()
}

fn of<K: serde::de::DeserializeOwned>(all: &[Value], kind: &str) -> Vec<K> {
    let of_kind = all.iter().filter(|object| object["kind"] == kind);
    of_kind
        .map(|object| serde_json::from_value(object.clone()).unwrap())
        .collect()
}

fn installed() -> Installation {
    let all = shipped();
    Installation {
        policies: of(&all, "ValidatingAdmissionPolicy"),
        bindings: of(&all, "ValidatingAdmissionPolicyBinding"),
        mutating: of(&all, "MutatingWebhookConfiguration").pop(),
        validating: of(&all, "ValidatingWebhookConfiguration").pop(),
    }
}

#[test]
fn what_is_shipped_has_no_fault_and_every_policy_of_it_is_looked_at() {
    let there = installed();
    assert_eq!(faults(&there), Vec::<String>::new());
    let mut policies: Vec<_> = there.policies.iter().map(ResourceExt::name_any).collect();
    // Advice refuses nothing.
    policies.retain(|name| name != names::TOKEN_GUARD && name != "namesake-opt-in-advice");
    policies.sort();
    assert_eq!(policies, names::GUARDS);
}

#[test]
fn each_part_that_is_missing_is_a_fault() {
    let all = faults(&Installation::default());
    assert_eq!(all.len(), 2 * (names::GUARDS.len() + 1) + 4);
    let mut there = installed();
    there.validating = None;
    assert_eq!(faults(&there).len(), 2);
}

#[test]
fn a_policy_that_no_longer_denies_everywhere_is_a_fault() {
    let weaker = |change: &dyn Fn(&mut Installation)| {
        let mut there = installed();
        change(&mut there);
        faults(&there).len()
    };
    assert_eq!(
        weaker(&|i| i.policies[0].spec.as_mut().unwrap().failure_policy = Some("Ignore".to_owned())),
        1
    );
    assert_eq!(
        weaker(&|i| i.policies[0].spec.as_mut().unwrap().validations = None),
        1
    );
    let binding = |i: &mut Installation| {
        let found = i
            .bindings
            .iter_mut()
            .find(|b| b.name_any() == names::GUARDS[0]);
        found.unwrap().spec.clone()
    };
    let changes: [fn(&mut ValidatingAdmissionPolicyBindingSpec); 3] = [
        |b| b.validation_actions = vec!["Warn".to_owned(), "Audit".to_owned()],
        |b| "another".clone_into(&mut b.policy_name),
        |b| b.match_resources = Some(MatchResources::default()),
    ];
    for change in changes {
        let mut there = installed();
        let mut spec = binding(&mut there);
        change(&mut spec);
        let found = there
            .bindings
            .iter_mut()
            .find(|b| b.name_any() == names::GUARDS[0]);
        found.unwrap().spec = spec;
        assert_eq!(faults(&there).len(), 1);
    }
    assert_eq!(
        weaker(&|i| {
            let webhooks = i.mutating.as_mut().unwrap().webhooks.as_mut().unwrap();
            webhooks[0].failure_policy = Some("Ignore".to_owned());
        }),
        1
    );
}

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, ValidatingAdmissionPolicyBindingSpec,
};

use super::*;
use crate::state::installation::shipped::{of, shipped};

pub(super) fn installed() -> Installation {
    let all = [shipped("cluster"), shipped("base")].concat();
    Installation {
        home: names::SYSTEM_NAMESPACE.to_owned(),
        policies: of(&all, "ValidatingAdmissionPolicy"),
        bindings: of(&all, "ValidatingAdmissionPolicyBinding"),
        mutating: of(&all, "MutatingWebhookConfiguration").pop(),
        validating: of(&all, "ValidatingWebhookConfiguration").pop(),
    }
}

#[test]
fn the_shipped_installation_has_no_fault_and_each_policy_is_checked() {
    let installation = installed();
    assert_eq!(faults(&installation), Vec::<String>::new());
    let mut policies: Vec<_> = installation
        .policies
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    // Advice refuses nothing.
    policies.retain(|name| name != names::TOKEN_GUARD && name != "namesake-opt-in-advice");
    policies.sort();
    assert_eq!(policies, names::GUARDS);
}

#[test]
fn the_policy_of_the_stacks_namespace_has_to_be_bound_for_that_namespace() {
    let mut installation = installed();
    installation.home = "namesake-system-blue".to_owned();
    let found = faults(&installation);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(names::SYSTEM_GUARD), "{found:?}");
}

#[test]
fn each_part_that_is_missing_is_a_fault() {
    let all = faults(&Installation::default());
    assert_eq!(all.len(), 2 * (names::GUARDS.len() + 1) + 8);
    let mut installation = installed();
    installation.validating = None;
    assert_eq!(faults(&installation).len(), 3);
}

#[test]
fn a_policy_that_no_longer_denies_everywhere_is_a_fault() {
    let weaker = |change: &dyn Fn(&mut Installation)| {
        let mut installation = installed();
        change(&mut installation);
        faults(&installation).len()
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
        let mut installation = installed();
        let mut spec = binding(&mut installation);
        change(&mut spec);
        let found = installation
            .bindings
            .iter_mut()
            .find(|b| b.name_any() == names::GUARDS[0]);
        found.unwrap().spec = spec;
        assert_eq!(faults(&installation).len(), 1);
    }
    assert_eq!(
        weaker(&|i| {
            let webhooks = i.mutating.as_mut().unwrap().webhooks.as_mut().unwrap();
            webhooks[0].failure_policy = Some("Ignore".to_owned());
        }),
        1
    );
}

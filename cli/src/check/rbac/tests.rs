use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn rule(groups: &[&str], resources: &[&str], names: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": groups, "resources": resources, "resourceNames": names, "verbs": verbs})
}

fn gives(rules: &Value, right: &Right) -> bool {
    let role = json!({"metadata": {"name": "r"}, "rules": rules});
    let binding = json!({
        "metadata": {"name": "b"}, "subjects": [{"kind": "User", "name": "mallory"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
    });
    let rbac = Rbac::of(Listing {
        cluster_roles: vec![serde_json::from_value(role).unwrap()],
        cluster_role_bindings: vec![serde_json::from_value(binding).unwrap()],
        ..Listing::default()
    });
    rbac.holders(right).has(&Subject::user("mallory"))
}

const SECRETS: Right = Right {
    words: "",
    verbs: &["get", "create"],
    resources: &[("", "secrets")],
    names: &["key"],
};
const EXEC: Right = Right {
    words: "",
    verbs: &["create"],
    resources: &[("", "pods/exec")],
    names: &[],
};

#[test]
fn rules_are_matched_as_kubernetes_does() {
    let one = |rule: Value, right: &Right| gives(&json!([rule]), right);
    assert!(one(rule(&[""], &["secrets"], &[], &["get"]), &SECRETS));
    assert!(one(rule(&["*"], &["*"], &[], &["*"]), &SECRETS));
    assert!(one(rule(&[""], &["secrets"], &["key"], &["get"]), &SECRETS));
    assert!(!one(
        rule(&[""], &["secrets"], &["other"], &["get"]),
        &SECRETS
    ));
    // A create names nothing, so a rule with names never allows it.
    assert!(!one(
        rule(&[""], &["secrets"], &["key"], &["create"]),
        &SECRETS
    ));
    assert!(one(rule(&[""], &["secrets"], &[], &["create"]), &SECRETS));
    assert!(!one(rule(&["apps"], &["secrets"], &[], &["get"]), &SECRETS));
    assert!(!one(rule(&[""], &["secrets"], &[], &["list"]), &SECRETS));
    assert!(!one(rule(&[""], &["pods"], &[], &["create"]), &EXEC));
    for resource in ["pods/exec", "*/exec", "*"] {
        assert!(
            one(rule(&[""], &[resource], &[], &["create"]), &EXEC),
            "{resource}"
        );
    }
    // RBAC knows no pods/*; and a subresource's create does name its object.
    assert!(!one(rule(&[""], &["pods/*"], &[], &["create"]), &EXEC));
    assert!(one(
        rule(&[""], &["pods/exec"], &["a-pod"], &["create"]),
        &EXEC
    ));
    assert!(!gives(&json!([]), &EXEC));
    assert!(!gives(
        &json!([{"nonResourceURLs": ["*"], "verbs": ["*"]}]),
        &EXEC
    ));
}

#[test]
fn a_role_that_is_made_of_others_gives_what_they_give() {
    let part = json!({"metadata": {"name": "part", "labels": {"to": "whole"}}, "rules": [rule(&[""], &["secrets"], &[], &["get"])]});
    let middle = json!({
        "metadata": {"name": "middle", "labels": {"to": "top"}},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "whole"}}, {"matchLabels": {"to": "top"}}]},
    });
    let top = json!({"metadata": {"name": "top"}, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "top"}}]}});
    let roles: Vec<ClusterRole> = [part, middle, top]
        .map(|r| serde_json::from_value(r).unwrap())
        .to_vec();
    let all = aggregated(&roles);
    for name in ["part", "middle", "top"] {
        assert_eq!(all[name].len(), 1, "{name}");
    }
}

#[test]
fn a_binding_in_a_namespace_gives_nothing_elsewhere_and_one_to_nothing_gives_nothing() {
    let role_ref = |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    let subject = json!([{"kind": "Group", "name": "system:serviceaccounts:ci"}]);
    let binding = |name: &str, kind: &str, role: &str| {
        serde_json::from_value(json!({"metadata": {"name": name, "namespace": "a"}, "roleRef": role_ref(kind, role), "subjects": subject}))
            .unwrap()
    };
    let listing = Listing {
        roles: vec![
            serde_json::from_value(json!({"metadata": {"name": "r", "namespace": "a"}, "rules": [rule(&[""], &["secrets"], &[], &["get"])]}))
                .unwrap(),
        ],
        role_bindings: vec![binding("good", "Role", "r"), binding("dangling", "ClusterRole", "r")],
        ..Listing::default()
    };
    let rbac = Rbac::of(listing);
    let runner = Subject::user("system:serviceaccount:ci:runner");
    assert!(rbac.holders_in("a", &SECRETS).has(&runner));
    assert!(
        !rbac
            .holders_in("a", &SECRETS)
            .has(&Subject::user("system:serviceaccount:other:runner"))
    );
    assert!(!rbac.holders_in("b", &SECRETS).has(&runner));
    assert!(!rbac.holders(&SECRETS).has(&runner));
    assert_eq!(
        rbac.only_in("a")
            .filter(|bound| bound.grants(&SECRETS))
            .count(),
        1
    );
}

/// Kubernetes' own words (`RuleAllows`), for one request.
fn allowed(
    rule: &PolicyRule,
    verb: &str,
    group: &str,
    (resource, sub): (&str, &str),
    name: &str,
) -> bool {
    let verb_matches = rule.verbs.iter().any(|v| v == "*" || v == verb);
    let group_matches = rule
        .api_groups
        .iter()
        .flatten()
        .any(|g| g == "*" || g == group);
    let combined = if sub.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}/{sub}")
    };
    let resource_matches = rule.resources.iter().flatten().any(|r| {
        r == "*"
            || *r == combined
            || (!sub.is_empty()
                && r.len() == sub.len() + 2
                && r.starts_with("*/")
                && r.ends_with(sub))
    });
    let names = rule.resource_names.iter().flatten().collect::<Vec<_>>();
    verb_matches
        && group_matches
        && resource_matches
        && (names.is_empty() || names.iter().any(|n| *n == name))
}

/// Whether one of all requests that a right is about is allowed.
fn reference(rules: &[PolicyRule], right: &Right) -> bool {
    let mut found = false;
    for (group, resource) in right.resources {
        let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
        for verb in right.verbs {
            let nameless = sub.is_empty() && ["create", "deletecollection"].contains(verb);
            let mut names: Vec<String> = right.names.iter().map(|n| (*n).to_owned()).collect();
            if right.names.is_empty() {
                names = rules
                    .iter()
                    .flat_map(|r| r.resource_names.iter().flatten().cloned())
                    .collect();
                names.push("any".to_owned());
            }
            if nameless {
                names = vec![String::new()];
            }
            found |= names.iter().any(|name| {
                rules
                    .iter()
                    .any(|rule| allowed(rule, verb, group, (resource, sub), name))
            });
        }
    }
    found
}

/// Words that rights speak of, and some that mean more or less than they look.
fn words(of: impl Fn(&Right) -> Vec<&'static str>, more: &[&'static str]) -> Vec<String> {
    let all = checked_rights().flat_map(of).chain(more.iter().copied());
    all.map(str::to_owned)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn some_of(words: Vec<String>, least: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(words), least..3)
}

prop_compose! {
    fn any_rule()(
        groups in some_of(words(|r| r.resources.iter().map(|(group, _)| *group).collect(), &["*", "x"]), 0),
        resources in some_of(words(|r| r.resources.iter().map(|(_, resource)| *resource).collect(), &["*", "*/exec", "*/token", "pods/*", "*/x"]), 0),
        names in some_of(words(|r| r.names.to_vec(), &["*", "x"]), 0),
        verbs in some_of(words(|r| r.verbs.to_vec(), &["*", "x"]), 1),
    ) -> PolicyRule {
        PolicyRule { api_groups: Some(groups), resources: Some(resources), resource_names: Some(names), verbs, non_resource_urls: None }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn a_right_is_held_exactly_when_kubernetes_allows_a_request_that_it_is_about(rules in prop::collection::vec(any_rule(), 0..4)) {
        let role = ClusterRole {
            metadata: ObjectMeta { name: Some("r".into()), ..ObjectMeta::default() },
            rules: Some(rules.clone()),
            ..ClusterRole::default()
        };
        let binding = json!({
            "metadata": {"name": "b"}, "subjects": [{"kind": "User", "name": "mallory"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
        });
        let rbac = Rbac::of(Listing {
            cluster_roles: vec![role],
            cluster_role_bindings: vec![serde_json::from_value(binding).unwrap()],
            ..Listing::default()
        });
        for right in checked_rights() {
            let holds = rbac.holders(right).has(&Subject::user("mallory"));
            prop_assert_eq!(holds, reference(&rules, right), "{}", right.words);
        }
    }
}

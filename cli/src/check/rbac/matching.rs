//! Rules of RBAC, matched as Kubernetes does (`plugin/pkg/auth/authorizer/rbac`, `pkg/apis/rbac/v1/evaluation_helpers.go`). Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::ResourceExt;

use namesake_service::may_match;

/// Verbs whose requests name no object, so that a rule with `resourceNames` never allows them. The `create` of a subresource does
/// name one.
const NAMELESS: [&str; 2] = ["create", "deletecollection"];

/// A resource as kubectl names it: `jobs.batch`, `pods/exec`.
pub(super) fn in_group(resource: &str, group: &str) -> String {
    match (group, resource.split_once('/')) {
        ("", _) => resource.to_owned(),
        (group, None) => format!("{resource}.{group}"),
        (group, Some((resource, sub))) => format!("{resource}.{group}/{sub}"),
    }
}

/// Whether a rule allows a verb on a resource. `names`: the objects that the right is about; empty: any object.
pub(super) fn allows(
    rule: &PolicyRule,
    verb: &str,
    group: &str,
    resource: &str,
    names: &[&str],
) -> bool {
    let has = |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
    let any_resource = resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
    let resources = rule.resources.iter().flatten();
    let mut resources = resources.map(String::as_str);
    let limited: Vec<&String> = rule.resource_names.iter().flatten().collect();
    let is_nameless = NAMELESS.contains(&verb) && !resource.contains('/');
    let is_about = |name: &&String| names.is_empty() || names.contains(&name.as_str());
    let is_named = limited.is_empty() || (!is_nameless && limited.iter().any(is_about));
    is_named
        && has(&rule.verbs, verb)
        && has(rule.api_groups.as_deref().unwrap_or_default(), group)
        && resources.any(|r| r == "*" || r == resource || Some(r) == any_resource.as_deref())
}

/// The rules of each ClusterRole, with those that the aggregation controller will add.
pub(super) fn aggregated(roles: &[ClusterRole]) -> BTreeMap<String, Arc<[PolicyRule]>> {
    let full = |role: &ClusterRole| {
        let mut rules = Vec::new();
        let mut visited = BTreeSet::new();
        let mut todo = vec![role];
        while let Some(role) = todo.pop() {
            if !visited.insert(role.name_any()) {
                continue;
            }
            rules.extend(role.rules.iter().flatten().cloned());
            let selectors = role
                .aggregation_rule
                .iter()
                .flat_map(|a| a.cluster_role_selectors.iter().flatten());
            let selectors: Vec<_> = selectors.collect();
            let part = |part: &&ClusterRole| selectors.iter().any(|s| may_match(s, part.labels()));
            todo.extend(roles.iter().filter(part));
        }
        rules
    };
    roles
        .iter()
        .map(|role| (role.name_any(), full(role).into()))
        .collect()
}

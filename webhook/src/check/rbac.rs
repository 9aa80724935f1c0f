//! Who may do what, by RBAC: the rules of Roles and ClusterRoles, as bindings give them to subjects. Pure.
//!
//! Rules are matched as Kubernetes does (`plugin/pkg/auth/authorizer/rbac`, `pkg/apis/rbac/v1/evaluation_helpers.go`).

pub(super) mod accounts;
pub(super) mod found;
mod remedy;
pub mod rights;
pub(super) mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject as Listed,
};
use kube::ResourceExt;

use super::selector;
use subject::Subject;

/// Verbs whose requests name no object, so that a rule that names objects never gives them. A subresource's `create` does
/// name one.
const NAMELESS: [&str; 2] = ["create", "deletecollection"];

/// Something that is worth asking about: any of these verbs on any of these resources.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// As a finding says it: may `read our Secrets`.
    pub words: &'static str,
    /// Any of them.
    pub verbs: &'static [&'static str],
    /// API group and resource, with its subresource if it has one; any of them.
    pub resources: &'static [(&'static str, &'static str)],
    /// Objects that matter: a rule for others does not. Empty: all do.
    pub names: &'static [&'static str],
}

/// A binding, with the rules that it gives.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Of a RoleBinding; none: of a ClusterRoleBinding, which gives its rules everywhere.
    pub namespace: Option<String>,
    /// Name of the binding.
    pub name: String,
    /// `ClusterRole` or `Role`, and its name.
    pub role: (String, String),
    /// Whom it names, each once.
    pub subjects: Vec<Subject>,
    rules: Arc<[PolicyRule]>,
}

/// All bindings of a cluster, by namespace; under none, those that hold everywhere.
#[derive(Clone, Debug, Default)]
pub struct Rbac(BTreeMap<Option<String>, Vec<Bound>>);

/// Whom a right is given to.
#[derive(Clone, Debug, Default)]
pub struct Holders(BTreeSet<Subject>);

/// The objects that say who may do what.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// All of them.
    pub cluster_roles: Vec<ClusterRole>,
    /// All of them.
    pub roles: Vec<Role>,
    /// All of them.
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
    /// All of them.
    pub role_bindings: Vec<RoleBinding>,
}

impl Rbac {
    /// Resolves what each binding gives. A binding to a role that is not there gives nothing.
    #[must_use]
    pub fn of(listing: Listing) -> Rbac {
        let cluster_roles = aggregated(&listing.cluster_roles);
        let roles = listing.roles.into_iter().map(|role| {
            let key = (role.namespace().unwrap_or_default(), role.name_any());
            (key, Arc::from(role.rules.unwrap_or_default()))
        });
        let roles: BTreeMap<(String, String), Arc<[PolicyRule]>> = roles.collect();
        let rules = |namespace: Option<&str>, role: &RoleRef| match (role.kind.as_str(), namespace)
        {
            ("ClusterRole", _) => cluster_roles.get(&role.name).cloned(),
            ("Role", Some(namespace)) => roles
                .get(&(namespace.to_owned(), role.name.clone()))
                .cloned(),
            _ => None,
        };
        let bound =
            |namespace: Option<String>, name, role: RoleRef, subjects: Option<Vec<Listed>>| {
                let subjects = subjects.unwrap_or_default();
                let subjects = subjects
                    .iter()
                    .filter_map(|s| Subject::of(s, namespace.as_deref()));
                Bound {
                    rules: rules(namespace.as_deref(), &role).unwrap_or_default(),
                    subjects: subjects.collect::<BTreeSet<_>>().into_iter().collect(),
                    role: (role.kind, role.name),
                    namespace,
                    name,
                }
            };
        let everywhere = listing.cluster_role_bindings.into_iter();
        let everywhere = everywhere.map(|b| bound(None, b.name_any(), b.role_ref, b.subjects));
        let somewhere = listing.role_bindings.into_iter();
        let somewhere =
            somewhere.map(|b| bound(b.namespace(), b.name_any(), b.role_ref, b.subjects));
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for bound in everywhere.chain(somewhere) {
            all.entry(bound.namespace.clone()).or_default().push(bound);
        }
        Rbac(all)
    }

    /// Those that hold in the whole cluster.
    pub fn everywhere(&self) -> impl Iterator<Item = &Bound> {
        self.0.get(&None).into_iter().flatten()
    }

    /// Those that hold in one namespace only.
    pub fn only_in(&self, namespace: &str) -> impl Iterator<Item = &Bound> {
        self.0
            .get(&Some(namespace.to_owned()))
            .into_iter()
            .flatten()
    }

    /// Who holds a right in the whole cluster.
    #[must_use]
    pub fn holders(&self, right: &Right) -> Holders {
        Holders::of(self.everywhere(), right)
    }

    /// Who holds a right in a namespace.
    #[must_use]
    pub fn holders_in(&self, namespace: &str, right: &Right) -> Holders {
        Holders::of(self.everywhere().chain(self.only_in(namespace)), right)
    }
}

impl Holders {
    fn of<'a>(bound: impl Iterator<Item = &'a Bound>, right: &Right) -> Holders {
        let giving = bound.filter(|bound| bound.gives(right));
        Holders(
            giving
                .flat_map(|bound| bound.subjects.iter().cloned())
                .collect(),
        )
    }

    /// Those that bindings name.
    #[must_use]
    pub fn into_subjects(self) -> BTreeSet<Subject> {
        self.0
    }

    /// Whether an account is among them, also by a group that every account, or every one of its namespace, is in.
    #[must_use]
    pub fn has(&self, account: &Subject) -> bool {
        self.0.contains(account) || account.groups().iter().any(|group| self.0.contains(group))
    }
}

impl Bound {
    /// Whether what it gives has any part of a right.
    #[must_use]
    pub fn gives(&self, right: &Right) -> bool {
        let one = |verb: &str, (group, resource): (&str, &str)| {
            let names = if NAMELESS.contains(&verb) && !resource.contains('/') {
                None
            } else {
                Some(right.names)
            };
            self.rules
                .iter()
                .any(|rule| allows(rule, verb, group, resource, names))
        };
        let resources = right.resources.iter().copied();
        resources
            .flat_map(|resource| right.verbs.iter().map(move |verb| (*verb, resource)))
            .any(|(verb, resource)| one(verb, resource))
    }

    /// `ClusterRoleBinding devs, ClusterRole edit`.
    #[must_use]
    pub fn place(&self) -> String {
        let (kind, role) = &self.role;
        match &self.namespace {
            None => format!("ClusterRoleBinding {}, {kind} {role}", self.name),
            Some(namespace) => format!("RoleBinding {namespace}/{}, {kind} {role}", self.name),
        }
    }
}

impl Bound {
    /// A right that it gives, as flags of `kubectl create role`: the verbs and resources of its rules, nothing beyond the right.
    #[must_use]
    pub fn flags_of(&self, right: &Right) -> String {
        let mut verbs = BTreeSet::new();
        let mut resources = BTreeSet::new();
        for rule in self.rules.iter() {
            for (group, resource) in right.resources {
                let gives = |verb: &&&str| {
                    let names = (!NAMELESS.contains(*verb) || resource.contains('/'))
                        .then_some(right.names);
                    allows(rule, verb, group, resource, names)
                };
                let given: Vec<_> = right.verbs.iter().filter(gives).copied().collect();
                if !given.is_empty() {
                    resources.insert(in_group(resource, group));
                }
                verbs.extend(given);
            }
        }
        let list = |all: BTreeSet<&str>| all.into_iter().collect::<Vec<_>>().join(",");
        let resources = resources.iter().map(String::as_str).collect();
        format!("--verb={} --resource={}", list(verbs), list(resources))
    }
}

/// A resource as kubectl names it: `jobs.batch`, `pods/exec`.
fn in_group(resource: &str, group: &str) -> String {
    match (group, resource.split_once('/')) {
        ("", _) => resource.to_owned(),
        (group, None) => format!("{resource}.{group}"),
        (group, Some((resource, sub))) => format!("{resource}.{group}/{sub}"),
    }
}

/// Whether a rule allows a verb on a resource; `names` are the objects that matter (empty: any), none: the request names none.
fn allows(
    rule: &PolicyRule,
    verb: &str,
    group: &str,
    resource: &str,
    names: Option<&[&str]>,
) -> bool {
    let has = |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
    let any_resource = resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
    let resources = rule.resources.iter().flatten();
    let mut resources = resources.map(String::as_str);
    let limited: Vec<&String> = rule.resource_names.iter().flatten().collect();
    let is_named = match names {
        _ if limited.is_empty() => true,
        None => false,
        Some([]) => true,
        Some(names) => limited.iter().any(|name| names.contains(&name.as_str())),
    };
    is_named
        && has(&rule.verbs, verb)
        && has(rule.api_groups.as_deref().unwrap_or_default(), group)
        && resources.any(|r| r == "*" || r == resource || Some(r) == any_resource.as_deref())
}

/// What each ClusterRole gives, with what the aggregation controller adds to it sooner or later.
fn aggregated(roles: &[ClusterRole]) -> BTreeMap<String, Arc<[PolicyRule]>> {
    let full = |role: &ClusterRole| {
        let mut rules = Vec::new();
        let mut seen = BTreeSet::new();
        let mut todo = vec![role];
        while let Some(role) = todo.pop() {
            if !seen.insert(role.name_any()) {
                continue;
            }
            rules.extend(role.rules.iter().flatten().cloned());
            let selectors = role
                .aggregation_rule
                .iter()
                .flat_map(|a| a.cluster_role_selectors.iter().flatten());
            let selectors: Vec<_> = selectors.collect();
            let part = |part: &&ClusterRole| {
                selectors
                    .iter()
                    .any(|s| selector::may_match(s, part.labels()))
            };
            todo.extend(roles.iter().filter(part));
        }
        rules
    };
    roles
        .iter()
        .map(|role| (role.name_any(), full(role).into()))
        .collect()
}

#[cfg(test)]
mod tests;

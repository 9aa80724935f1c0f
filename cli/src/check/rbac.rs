//! RBAC: the rules of Roles and ClusterRoles, as bindings grant them to subjects. Pure.

pub(super) mod accounts;
mod families;
pub(super) mod findings;
mod matching;
mod remedy;
pub(super) mod rights;
pub(super) mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject as Listed,
};
use kube::ResourceExt;

use families::{EVERYWHERE, HOME};
use matching::{aggregated, allows, in_group};
use rights::{CARRY, GUARDED, READ_JOBS};
use subject::Subject;

/// A right that is checked: any of these verbs on any of these resources.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// The text in a finding after "may": `read Namesake's Secrets`.
    pub words: &'static str,
    /// Verbs; any of them.
    pub verbs: &'static [&'static str],
    /// API group and resource, with its subresource if it has one; any of them.
    pub resources: &'static [(&'static str, &'static str)],
    /// Names of the objects that the right is about; empty: any object.
    pub names: &'static [&'static str],
}

/// A binding, with the rules that it grants.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Namespace of a RoleBinding; `None` for a ClusterRoleBinding, which grants its rules everywhere.
    pub namespace: Option<String>,
    /// Name of the binding.
    pub name: String,
    /// `ClusterRole` or `Role`, and its name.
    pub role: (String, String),
    /// The subjects that it names, each once.
    pub subjects: Vec<Subject>,
    rules: Arc<[PolicyRule]>,
}

/// All bindings of a cluster, by namespace; under `None`, ClusterRoleBindings.
#[derive(Clone, Debug, Default)]
pub struct Rbac(BTreeMap<Option<String>, Vec<Bound>>);

/// The subjects that hold a right.
#[derive(Clone, Debug, Default)]
pub struct Holders(BTreeSet<Subject>);

/// The RBAC objects of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// All ClusterRoles.
    pub cluster_roles: Vec<ClusterRole>,
    /// All Roles.
    pub roles: Vec<Role>,
    /// All ClusterRoleBindings.
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
    /// All RoleBindings.
    pub role_bindings: Vec<RoleBinding>,
}

/// Every right that is checked, some of them more than once, so that tests can compare each with a real API server.
pub fn checked_rights() -> impl Iterator<Item = &'static Right> {
    let families = EVERYWHERE.iter().chain([&HOME]);
    let in_families = families.flat_map(|family| family.rights);
    in_families.chain(&[GUARDED, CARRY, READ_JOBS])
}

impl Rbac {
    /// Resolves what each binding grants. A binding to a role that does not exist grants nothing.
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

    /// Bindings that apply to the whole cluster.
    pub fn everywhere(&self) -> impl Iterator<Item = &Bound> {
        self.0.get(&None).into_iter().flatten()
    }

    /// Bindings that apply to one namespace only.
    pub fn only_in(&self, namespace: &str) -> impl Iterator<Item = &Bound> {
        self.0
            .get(&Some(namespace.to_owned()))
            .into_iter()
            .flatten()
    }

    /// The subjects with a right in the whole cluster.
    #[must_use]
    pub fn holders(&self, right: &Right) -> Holders {
        Holders::of(self.everywhere(), right)
    }

    /// The subjects with a right in a namespace.
    #[must_use]
    pub fn holders_in(&self, namespace: &str, right: &Right) -> Holders {
        Holders::of(self.everywhere().chain(self.only_in(namespace)), right)
    }
}

impl Holders {
    fn of<'a>(bound: impl Iterator<Item = &'a Bound>, right: &Right) -> Holders {
        let giving = bound.filter(|bound| bound.grants(right));
        Holders(
            giving
                .flat_map(|bound| bound.subjects.iter().cloned())
                .collect(),
        )
    }

    /// The subjects, as bindings name them.
    #[must_use]
    pub fn into_subjects(self) -> BTreeSet<Subject> {
        self.0
    }

    /// Whether an account is among them, also through a group of all accounts or of those of its namespace.
    #[must_use]
    pub fn has(&self, account: &Subject) -> bool {
        self.0.contains(account) || account.groups().iter().any(|group| self.0.contains(group))
    }
}

impl Bound {
    /// Whether it grants any part of a right.
    #[must_use]
    pub fn grants(&self, right: &Right) -> bool {
        self.rules.iter().any(|rule| {
            let mut resources = right.resources.iter();
            resources.any(|resource| granted(rule, right, resource).next().is_some())
        })
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

    /// What it grants of a right, as flags of `kubectl create role`: the verbs and resources of its rules, nothing beyond the
    /// right.
    #[must_use]
    pub fn flags_of(&self, right: &Right) -> String {
        let mut verbs = BTreeSet::new();
        let mut resources = BTreeSet::new();
        for rule in self.rules.iter() {
            for resource in right.resources {
                let given: Vec<_> = granted(rule, right, resource).collect();
                if !given.is_empty() {
                    resources.insert(in_group(resource.1, resource.0));
                }
                verbs.extend(given);
            }
        }
        let list = |all: BTreeSet<&str>| all.into_iter().collect::<Vec<_>>().join(",");
        let resources = resources.iter().map(String::as_str).collect();
        format!("--verb={} --resource={}", list(verbs), list(resources))
    }
}

/// The verbs of a right that a rule allows on one of its resources.
fn granted<'a>(
    rule: &PolicyRule,
    right: &'a Right,
    (group, resource): &(&str, &str),
) -> impl Iterator<Item = &'a str> {
    let verbs = right.verbs.iter().copied();
    verbs.filter(move |verb| allows(rule, verb, group, resource, right.names))
}

#[cfg(test)]
mod tests;

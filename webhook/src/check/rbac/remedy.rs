//! The commands that close what RBAC leaves open. Without its binding a person stops; so would a program, and therefore the remedy
//! for a program also describes how it keeps working with fewer rights. Pure.

use std::fmt;

use super::subject::Subject;
use super::{Bound, Right};
use crate::check::print::quoted;

/// How the ClusterRole of a program can be narrowed so that the program keeps working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum Narrowing {
    /// By Roles in the namespaces where it works.
    ByNamespace,
    /// By namespace too, unless it creates pods for others: the rules should then list it under carriers.
    ByNamespaceOrCarrier,
    /// By the names of its own objects, for rights that are about objects of certain names.
    ByName,
    /// By other rules in its role.
    AsInstead,
}

/// How the programs in one binding can work with fewer rights.
pub(in crate::check) struct NarrowRemedy<'a> {
    pub(in crate::check) bound: &'a Bound,
    pub(in crate::check) programs: &'a [&'a Subject],
    pub(in crate::check) check: &'a str,
    /// The rights that they hold and should not.
    pub(in crate::check) rights: &'a [&'a Right],
    pub(in crate::check) instead: &'a str,
    pub(in crate::check) narrowing: Narrowing,
}

impl fmt::Display for NarrowRemedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, role) = &self.bound.role;
        let is_its_own =
            self.bound.namespace.is_none() && kind == "ClusterRole" && !is_built_in(role);
        if is_its_own {
            write!(
                f,
                "keep the binding, the program needs it. {}",
                self.edited()
            )?;
        } else {
            let without = remove_binding(self.bound, self.programs.len());
            write!(
                f,
                "give the program a role with only what it needs, then {without} (instead: {})",
                self.instead
            )?;
        }
        let trust: Vec<_> = self.programs.iter().map(|one| trust_flag(one)).collect();
        write!(
            f,
            ". Or, if it is trusted like an admin, say so: {}",
            trust.join(" ")
        )
    }
}

impl NarrowRemedy<'_> {
    /// What to change in the ClusterRole.
    fn edited(&self) -> String {
        let edit = format!("kubectl edit clusterrole {}", quoted(&self.bound.role.1));
        match self.narrowing {
            Narrowing::AsInstead => format!("{edit} (instead: {})", self.instead),
            // A rule with resourceNames still grants a right that is about any object.
            Narrowing::ByName if self.rights.iter().any(|right| right.names.is_empty()) => {
                format!(
                    "{edit}: remove the verbs of this finding (instead: {}); get, list and watch can stay",
                    self.instead
                )
            }
            Narrowing::ByName => format!(
                "{edit}: put the verbs of this finding into a rule of their own, with resourceNames (instead: {}); get, list and \
                 watch can stay",
                self.instead
            ),
            Narrowing::ByNamespace => {
                format!("{}; then {edit}, and remove this from it", self.roles())
            }
            Narrowing::ByNamespaceOrCarrier => format!(
                "If it creates pods for others, name it under carriers in the rules (docs/rules.md). Otherwise: {}; then \
                 {edit}, and remove this from it",
                self.roles()
            ),
        }
    }

    /// A Role for each right, with a binding.
    fn roles(&self) -> String {
        let subjects: Vec<_> = self.programs.iter().map(|one| bind_flag(one)).collect();
        let subjects = subjects.join(" ");
        let each = self.rights.iter().enumerate().map(|(at, right)| {
            let number = if at == 0 {
                String::new()
            } else {
                format!("-{}", at + 1)
            };
            let name = quoted(&format!("{}-{}{number}", self.bound.role.1, self.check));
            let flags = self.bound.flags_of(right);
            format!(
                "kubectl -n NAMESPACE create role {name} {flags} && \
                 kubectl -n NAMESPACE create rolebinding {name} --role={name} {subjects}"
            )
        });
        let each: Vec<_> = each.collect();
        format!(
            "In each NAMESPACE where it needs this: {}",
            each.join(" && ")
        )
    }
}

/// The command that deletes a binding, or removes from it the subjects that it should not name.
pub(in crate::check) fn remove_binding(bound: &Bound, subjects: usize) -> String {
    let verb = if subjects == bound.subjects.len() {
        "delete"
    } else {
        "edit"
    };
    let name = quoted(&bound.name);
    match &bound.namespace {
        None => format!("kubectl {verb} clusterrolebinding {name}"),
        Some(namespace) => format!("kubectl -n {} {verb} rolebinding {name}", quoted(namespace)),
    }
}

fn bind_flag(program: &Subject) -> String {
    match program {
        Subject::Account(namespace, name) => {
            format!(
                "--serviceaccount={}",
                quoted(&format!("{namespace}:{name}"))
            )
        }
        Subject::Group(name) | Subject::User(name) => format!("--group={}", quoted(name)),
    }
}

fn trust_flag(program: &Subject) -> String {
    let name = program.api_name();
    match program {
        Subject::Group(_) => format!("--trust {}", quoted(&format!("group:{name}"))),
        Subject::User(_) | Subject::Account(..) => format!("--trust {}", quoted(&name)),
    }
}

/// Whether a role is one of Kubernetes' own: the API server restores it, and others hold it.
fn is_built_in(role: &str) -> bool {
    ["admin", "cluster-admin", "edit", "view"].contains(&role) || role.starts_with("system:")
}

//! The commands that close what RBAC leaves open. Taking a person's binding away stops a person; taking a program's away stops
//! the program, so that one is told how it goes on with less. Pure.

use std::fmt;

use super::subject::Subject;
use super::{Bound, Right};
use crate::check::print::quoted;

/// How a ClusterRole of a program gives less than it does, while the program goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum Narrow {
    /// By Roles in the namespaces where it works.
    ByNamespace,
    /// The same; unless it makes pods for others, which the rules should say.
    ByNamespaceOrCarrier,
    /// By the names of its own objects.
    ByName,
    /// By another rule of its role.
    AsInstead,
}

/// How programs that one binding names get to hold less.
pub(in crate::check) struct Less<'a> {
    pub(in crate::check) bound: &'a Bound,
    pub(in crate::check) programs: &'a [&'a Subject],
    pub(in crate::check) check: &'a str,
    /// What they hold and should not.
    pub(in crate::check) rights: &'a [&'a Right],
    pub(in crate::check) instead: &'a str,
    pub(in crate::check) narrow: Narrow,
}

impl fmt::Display for Less<'_> {
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
            let without = take_away(self.bound, self.programs.len());
            write!(
                f,
                "give the program a role with only what it needs, then {without} (instead: {})",
                self.instead
            )?;
        }
        let trust: Vec<_> = self.programs.iter().map(|one| trust_flag(one)).collect();
        write!(
            f,
            ". Or, if it is trusted as admins are, say so: {}",
            trust.join(" ")
        )
    }
}

impl Less<'_> {
    /// What to change in the ClusterRole.
    fn edited(&self) -> String {
        let edit = format!("kubectl edit clusterrole {}", quoted(&self.bound.role.1));
        match self.narrow {
            Narrow::AsInstead => format!("{edit} (instead: {})", self.instead),
            Narrow::ByName => format!(
                "{edit}: give the verbs of this finding in a rule of their own, with resourceNames (instead: {}); get, list \
                 and watch stay as they are",
                self.instead
            ),
            Narrow::ByNamespace => {
                format!("{}; then {edit}, and take this out of it", self.roles())
            }
            Narrow::ByNamespaceOrCarrier => format!(
                "If it makes pods for others, name it under carriers in the rules (docs/rules.md). Otherwise: {}; then \
                 {edit}, and take this out of it",
                self.roles()
            ),
        }
    }

    /// A Role for each right, with a binding.
    fn roles(&self) -> String {
        let whom: Vec<_> = self.programs.iter().map(|one| bind_flag(one)).collect();
        let whom = whom.join(" ");
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
                 kubectl -n NAMESPACE create rolebinding {name} --role={name} {whom}"
            )
        });
        let each: Vec<_> = each.collect();
        format!(
            "In each NAMESPACE where it needs this: {}",
            each.join(" && ")
        )
    }
}

/// The command that takes a binding away, or the ones whom it should not name out of it.
pub(in crate::check) fn take_away(bound: &Bound, open: usize) -> String {
    let verb = if open == bound.subjects.len() {
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

/// Roles of Kubernetes' own: the API server restores them, and others hold them.
fn is_built_in(role: &str) -> bool {
    ["admin", "cluster-admin", "edit", "view"].contains(&role) || role.starts_with("system:")
}

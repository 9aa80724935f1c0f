//! The commands that close what RBAC leaves open. Without its binding a person stops; so would a program, and therefore the remedy
//! for a program also describes how it keeps working with fewer rights. Pure.

use super::families::{Family, Narrowing};
use super::subject::Subject;
use super::{Bound, Right};
use crate::answer::text::quoted;

/// How the programs in one binding can work with fewer rights; `rights` are those that they hold and should not.
pub(super) fn narrow(
    bound: &Bound,
    programs: &[&Subject],
    rights: &[&Right],
    family: &Family<'_>,
) -> String {
    let (kind, role) = &bound.role;
    let is_its_own = bound.namespace.is_none() && kind == "ClusterRole" && !is_built_in(role);
    let narrowed = if is_its_own {
        let edited = edited(bound, programs, rights, family);
        format!("keep the binding, the program needs it. {edited}")
    } else {
        let (without, instead) = (remove_binding(bound, programs.len()), family.instead);
        format!(
            "give the program a role with only what it needs, then {without} (instead: {instead})"
        )
    };
    let trust: Vec<_> = programs.iter().map(|one| trust_flag(one)).collect();
    let trust = trust.join(" ");
    format!("{narrowed}. Or, if it is trusted like an admin, say so: {trust}")
}

/// What to change in the ClusterRole.
fn edited(bound: &Bound, programs: &[&Subject], rights: &[&Right], family: &Family<'_>) -> String {
    let instead = family.instead;
    let edit = format!("kubectl edit clusterrole {}", quoted(&bound.role.1));
    let roles = || roles(bound, programs, rights, family.check.as_str());
    match family.narrowing {
        Narrowing::AsInstead => format!("{edit} (instead: {instead})"),
        // A rule with resourceNames still grants a right that is about any object.
        Narrowing::ByName if rights.iter().any(|right| right.names.is_empty()) => format!(
            "{edit}: remove the verbs of this finding (instead: {instead}); get, list and watch can stay"
        ),
        Narrowing::ByName => format!(
            "{edit}: put the verbs of this finding into a rule of their own, with resourceNames (instead: {instead}); get, list and \
             watch can stay"
        ),
        Narrowing::ByNamespace => format!("{}; then {edit}, and remove this from it", roles()),
        Narrowing::ByNamespaceOrCarrier => format!(
            "If it creates pods for others, name it under carriers in the rules (docs/rules.md). Otherwise: {}; then \
             {edit}, and remove this from it",
            roles()
        ),
    }
}

/// A Role for each right, with a binding.
fn roles(bound: &Bound, programs: &[&Subject], rights: &[&Right], check: &str) -> String {
    let subjects: Vec<_> = programs.iter().map(|one| bind_flag(one)).collect();
    let subjects = subjects.join(" ");
    let each = rights.iter().enumerate().map(|(at, right)| {
        let number = if at == 0 {
            String::new()
        } else {
            format!("-{}", at + 1)
        };
        let name = quoted(&format!("{}-{check}{number}", bound.role.1));
        let flags = bound.flags_of(right);
        format!(
            "kubectl -n NAMESPACE create role {name} {flags} && \
             kubectl -n NAMESPACE create rolebinding {name} --role={name} {subjects}"
        )
    });
    let each: Vec<_> = each.collect();
    let each = each.join(" && ");
    format!("In each NAMESPACE where it needs this: {each}")
}

/// The command that deletes a binding, or removes from it the subjects that it should not name.
pub(super) fn remove_binding(bound: &Bound, subjects: usize) -> String {
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

//! What a spec says, whoever wrote it down: Argo decodes a template, merges it with the Workflow and with its own
//! defaults, and stores that. The digest of what was deployed and of what is stored is the same when they say the same.
//!
//! Argo drops nulls, empty members and zeros, and writes quantities and parameters in its own way: so does [`digest`]. Go
//! keeps a few zeros that mean something else than their absence ([`KEPT`]).

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use namesake_core::{Gathered, Node, Text};

use super::quantity::billionths;

/// Members of a spec that come from the Workflow or from the controller's `workflowDefaults`, and change neither what a
/// pod executes nor as whom: when and where it runs, what is cleaned up, and the account, which admission sets.
/// `arguments` are what a template asks for from whoever runs it.
pub const FREE: &[&str] = &[
    "activeDeadlineSeconds",
    "affinity",
    "archiveLogs",
    "arguments",
    "metrics",
    "nodeSelector",
    "parallelism",
    "podDisruptionBudget",
    "podGC",
    "podPriorityClassName",
    "priority",
    "schedulerName",
    "serviceAccountName",
    "shutdown",
    "suspend",
    "synchronization",
    "tolerations",
    "ttlStrategy",
    "volumeClaimGC",
    "workflowMetadata",
    "workflowTemplateRef",
];

/// Members whose empty value, zero or `false` says something else than their absence.
const KEPT: &[&str] = &[
    "allowPrivilegeEscalation",
    "automountServiceAccountToken",
    "emptyDir",
    "enableServiceLinks",
    "failFast",
    "hostUsers",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "suspend",
];

/// Members that Argo writes back as strings whatever they were.
const STRINGS: &[&str] = &["default", "value"];
/// Maps whose values are quantities.
const QUANTITIES: &[&str] = &["limits", "requests"];
/// Members that are quantities.
const QUANTITY: &[&str] = &["divisor", "sizeLimit", "storage"];

/// The digest of what a spec says, without the members in `free`.
#[must_use]
pub fn digest(spec: &Node<'_>, free: &[&str]) -> String {
    let members = spec.members().iter();
    let counted = members.filter(|(name, _)| !free.contains(&name.as_str()));
    let mut said = Said::default();
    said.members(counted, Said::value);
    BASE64URL_NOPAD.encode(&said.0.hash())
}

/// Whether a stored spec is what a template says and, over it, the Workflow that names it: nothing else, and nothing of an
/// earlier version of the template.
#[must_use]
pub fn is_merged(stored: &Node<'_>, template: &Node<'_>, own: &Node<'_>) -> bool {
    merges([stored, template, own], |name| !FREE.contains(&name))
}

fn merges([stored, template, own]: [&Node<'_>; 3], counts: fn(&str) -> bool) -> bool {
    let names = [stored, template, own].into_iter().flat_map(Node::members);
    let names: BTreeSet<&str> = names.map(|(name, _)| name.as_str()).collect();
    let merged = |name: &str| is_merge(stored.get(name), template.get(name), own.get(name), name);
    names.into_iter().filter(|name| counts(name)).all(merged)
}

fn is_merge(stored: &Node<'_>, template: &Node<'_>, own: &Node<'_>, name: &str) -> bool {
    match (template, own) {
        (template, own) if own.says_nothing() => says_same(stored, template, name),
        (Node::Map(_), Node::Map(_)) if !QUANTITIES.contains(&name) => {
            merges([stored, template, own], |_| true)
        }
        // Argo merges lists by keys of their items: each comes from the one or the other, and none of its own is lost.
        (Node::List(before), Node::List(over)) => {
            let is_in = |all: &[Node<'_>], item| all.iter().any(|i| says_same(i, item, ""));
            let items = stored.items();
            items.iter().all(|i| is_in(before, i) || is_in(over, i))
                && over.iter().all(|i| is_in(items, i))
        }
        _ => says_same(stored, own, name),
    }
}

fn says_same(one: &Node<'_>, other: &Node<'_>, name: &str) -> bool {
    let said = |node| {
        let mut said = Said::default();
        said.value(node, name).then_some(said.0)
    };
    said(one) == said(other)
}

#[derive(Default)]
struct Said(Gathered);

// Writes what a member of this name says; `false` if Argo would not write it back.
type Write = fn(&mut Said, &Node<'_>, &str) -> bool;

impl Said {
    fn text(&mut self, kind: u8, text: &str) {
        self.0.bytes(kind, text.as_bytes());
    }

    // In the one way that everything is said here.
    fn value(&mut self, node: &Node<'_>, name: &str) -> bool {
        if QUANTITY.contains(&name) {
            self.amount(node);
            return true;
        }
        let kept = || KEPT.contains(&name);
        match node {
            Node::Null => return false,
            Node::Bool(false) if !kept() => return false,
            Node::Number(number) if number.as_f64() == Some(0.0) && !kept() => return false,
            Node::Bool(value) if STRINGS.contains(&name) => self.text(b's', &value.to_string()),
            Node::Number(value) if STRINGS.contains(&name) => self.text(b's', &value.to_string()),
            Node::Text(text) if text.is_empty() => return false,
            Node::List(items) if items.is_empty() => return false,
            Node::Bool(_) | Node::Number(_) | Node::Text(_) => self.whole(node),
            Node::List(items) => {
                self.0.sized(b'l', items.len());
                for item in items {
                    if !self.value(item, "") {
                        self.whole(&Node::Null);
                    }
                }
            }
            Node::Map(members) => {
                let before = self.0.size();
                let write = if QUANTITIES.contains(&name) {
                    Said::amounts
                } else {
                    Said::value
                };
                let any = self.members(members.iter(), write);
                if !any && !kept() {
                    self.0.take_back(before);
                    return false;
                }
            }
        }
        true
    }

    // Whether any of them says something.
    fn members<'n, 'a: 'n>(
        &mut self,
        members: impl Iterator<Item = &'n (Text<'a>, Node<'a>)>,
        write: Write,
    ) -> bool {
        let mut any = false;
        self.0.kind(b'{');
        for (name, node) in members {
            let before = self.0.size();
            self.text(b's', name);
            if write(self, node, name) {
                any = true;
            } else {
                self.0.take_back(before);
            }
        }
        self.0.kind(b'}');
        any
    }

    fn amounts(&mut self, node: &Node<'_>, _: &str) -> bool {
        let says = !node.says_nothing();
        if says {
            self.amount(node);
        }
        says
    }

    fn amount(&mut self, node: &Node<'_>) {
        let written = match node {
            Node::Text(value) => value.to_string(),
            Node::Number(value) => value.to_string(),
            _ => return self.whole(node),
        };
        match billionths(&written) {
            Some(amount) => self.text(b's', &format!("{amount}n")),
            None => self.whole(node),
        }
    }

    fn whole(&mut self, node: &Node<'_>) {
        match node {
            Node::Null => self.0.kind(b'0'),
            Node::Bool(value) => self.0.kind(if *value { b't' } else { b'f' }),
            Node::Number(value) => self.text(b'n', &value.to_string()),
            Node::Text(value) => self.text(b's', value),
            Node::List(items) => {
                self.0.sized(b'l', items.len());
                items.iter().for_each(|item| self.whole(item));
            }
            Node::Map(members) => {
                let write = |said: &mut Said, node: &Node<'_>, _: &str| {
                    said.whole(node);
                    true
                };
                self.members(members.iter(), write);
            }
        }
    }
}

#[cfg(test)]
mod tests;

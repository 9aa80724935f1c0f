//! What a spec says, whoever wrote it down: Argo decodes a template, merges it with the Workflow and with its own
//! defaults, and stores that. The digest of what was deployed and of what is stored is the same when they say the same.
//!
//! Argo drops nulls, empty members and zeros, and writes quantities and parameters in its own way: so does [`digest`]. Go
//! keeps a few zeros that mean something else than their absence ([`KEPT`]).

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::quantity::billionths;
use super::tree::{Node, map};
use crate::text::Text;

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
    let said = counted.filter_map(|(name, node)| Some((name.clone(), said(node, name)?)));
    let mut hash = Sha256::new();
    write(&mut hash, &Node::Map(said.collect()));
    BASE64URL_NOPAD.encode(&hash.finalize())
}

// What a member says, in the one way that everything is said here; nothing if Argo would not write it back.
fn said<'a>(node: &Node<'a>, name: &str) -> Option<Node<'a>> {
    let kept = || KEPT.contains(&name);
    if QUANTITY.contains(&name) {
        return Some(amount(node));
    }
    match node {
        Node::Null => None,
        Node::Bool(false) if !kept() => None,
        Node::Number(number) if number.as_f64() == Some(0.0) && !kept() => None,
        Node::Bool(value) if STRINGS.contains(&name) => Some(text(value.to_string())),
        Node::Number(value) if STRINGS.contains(&name) => Some(text(value.to_string())),
        Node::Bool(_) | Node::Number(_) => Some(node.clone()),
        Node::Text(value) => (!value.is_empty()).then(|| node.clone()),
        Node::List(items) => {
            let item = |node| said(node, "").unwrap_or_default();
            (!items.is_empty()).then(|| Node::List(items.iter().map(item).collect()))
        }
        Node::Map(members) => {
            let amounts = QUANTITIES.contains(&name);
            let member = |(name, node): &(Text<'a>, Node<'a>)| {
                let node = if amounts {
                    (!node.says_nothing()).then(|| amount(node))?
                } else {
                    said(node, name)?
                };
                Some((name.clone(), node))
            };
            let members: Vec<_> = members.iter().filter_map(member).collect();
            (!members.is_empty() || kept()).then(|| map(members))
        }
    }
}

fn text<'a>(value: String) -> Node<'a> {
    Node::Text(Text::from(value))
}

fn amount<'a>(node: &Node<'a>) -> Node<'a> {
    let written = match node {
        Node::Text(value) => value.to_string(),
        Node::Number(value) => value.to_string(),
        _ => return node.clone(),
    };
    billionths(&written).map_or_else(|| node.clone(), |amount| text(format!("{amount}n")))
}

// Each value with its kind, and with its length where its end is not its own.
fn write(hash: &mut Sha256, node: &Node<'_>) {
    let sized = |hash: &mut Sha256, kind: u8, size: usize| {
        hash.update([kind]);
        hash.update((size as u64).to_be_bytes());
    };
    match node {
        Node::Null => hash.update(b"0"),
        Node::Bool(value) => hash.update(if *value { b"t" } else { b"f" }),
        Node::Number(value) => {
            let value = value.to_string();
            sized(hash, b'n', value.len());
            hash.update(value);
        }
        Node::Text(value) => {
            sized(hash, b's', value.len());
            hash.update(value.as_bytes());
        }
        Node::List(items) => {
            sized(hash, b'l', items.len());
            items.iter().for_each(|item| write(hash, item));
        }
        Node::Map(members) => {
            sized(hash, b'm', members.len());
            for (name, node) in members {
                sized(hash, b's', name.len());
                hash.update(name.as_bytes());
                write(hash, node);
            }
        }
    }
}

#[cfg(test)]
mod tests;

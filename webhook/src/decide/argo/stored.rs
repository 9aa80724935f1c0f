//! Compares specs by meaning: Argo decodes a template, merges it with the Workflow and with its own defaults, and stores the
//! result. The digests of the deployed spec and of the stored one are equal if the two mean the same.
//!
//! Argo drops nulls, empty members and zeros, and writes quantities and parameters in its own form: so does [`digest`]. Go keeps a
//! few zeros that mean something else than their absence ([`KEPT`]).

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use namesake_core::{HashInput, Json, Text};

use super::quantity::billionths;

/// Members of a spec that come from the Workflow or from the controller's `workflowDefaults`, and change neither what a pod
/// executes nor as whom: when and where it runs, what is cleaned up, and the account, which admission sets. `arguments` are what a
/// template expects from whoever runs it.
pub const NOT_COMPARED: &[&str] = &[
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

/// Members whose empty value, zero or `false` does not mean the same as their absence.
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

/// The digest of the meaning of a spec, without the members in `ignored`.
#[must_use]
pub fn digest(spec: &Json<'_>, ignored: &[&str]) -> String {
    let members = spec.members().iter();
    let counted = members.filter(|(name, _)| !ignored.contains(&name.as_str()));
    let mut encoder = Encoder::default();
    encoder.members(counted, Encoder::value);
    BASE64URL_NOPAD.encode(&encoder.0.sha256())
}

/// Whether a stored spec is a template, overridden by the Workflow that names it: nothing else, and nothing of an earlier
/// version of the template.
#[must_use]
pub fn is_merged(stored: &Json<'_>, template: &Json<'_>, own: &Json<'_>) -> bool {
    merges([stored, template, own], |name| {
        !NOT_COMPARED.contains(&name)
    })
}

fn merges([stored, template, own]: [&Json<'_>; 3], counts: fn(&str) -> bool) -> bool {
    let names = [stored, template, own].into_iter().flat_map(Json::members);
    let names: BTreeSet<&str> = names.map(|(name, _)| name.as_str()).collect();
    let merged = |name: &str| is_merge(stored.get(name), template.get(name), own.get(name), name);
    names.into_iter().filter(|name| counts(name)).all(merged)
}

fn is_merge(stored: &Json<'_>, template: &Json<'_>, own: &Json<'_>, name: &str) -> bool {
    match (template, own) {
        (template, own) if own.is_empty() => says_same(stored, template, name),
        (Json::Object(_), Json::Object(_)) if !QUANTITIES.contains(&name) => {
            merges([stored, template, own], |_| true)
        }
        // Argo merges lists by keys of their items: each item comes from one of the two, and none of the Workflow's is lost.
        (Json::Array(before), Json::Array(over)) => {
            let is_in = |all: &[Json<'_>], item| all.iter().any(|i| says_same(i, item, ""));
            let items = stored.items();
            items.iter().all(|i| is_in(before, i) || is_in(over, i))
                && over.iter().all(|i| is_in(items, i))
        }
        _ => says_same(stored, own, name),
    }
}

fn says_same(one: &Json<'_>, other: &Json<'_>, name: &str) -> bool {
    let encoded = |node| {
        let mut encoder = Encoder::default();
        encoder.value(node, name).then_some(encoder.0)
    };
    encoded(one) == encoded(other)
}

#[derive(Default)]
struct Encoder(HashInput);

// Hashes the meaning of a member of this name; `false` if Argo would not write it back.
type Write = fn(&mut Encoder, &Json<'_>, &str) -> bool;

impl Encoder {
    fn text(&mut self, tag: u8, text: &str) {
        self.0.tagged_bytes(tag, text.as_bytes());
    }

    // In the canonical form.
    fn value(&mut self, node: &Json<'_>, name: &str) -> bool {
        if QUANTITY.contains(&name) {
            self.amount(node);
            return true;
        }
        let kept = || KEPT.contains(&name);
        match node {
            Json::Null => return false,
            Json::Bool(false) if !kept() => return false,
            Json::Number(number) if number.as_f64() == Some(0.0) && !kept() => return false,
            Json::Bool(value) if STRINGS.contains(&name) => self.text(b's', &value.to_string()),
            Json::Number(value) if STRINGS.contains(&name) => self.text(b's', &value.to_string()),
            Json::String(text) if text.is_empty() => return false,
            Json::Array(items) if items.is_empty() => return false,
            Json::Bool(_) | Json::Number(_) | Json::String(_) => self.whole(node),
            Json::Array(items) => {
                self.0.tag_and_size(b'l', items.len());
                for item in items {
                    if !self.value(item, "") {
                        self.whole(&Json::Null);
                    }
                }
            }
            Json::Object(members) => {
                let before = self.0.size();
                let write = if QUANTITIES.contains(&name) {
                    Encoder::amounts
                } else {
                    Encoder::value
                };
                let any = self.members(members.iter(), write);
                if !any && !kept() {
                    self.0.truncate(before);
                    return false;
                }
            }
        }
        true
    }

    // Whether any of them has a value.
    fn members<'n, 'a: 'n>(
        &mut self,
        members: impl Iterator<Item = &'n (Text<'a>, Json<'a>)>,
        write: Write,
    ) -> bool {
        let mut any = false;
        self.0.tag(b'{');
        for (name, node) in members {
            let before = self.0.size();
            self.text(b's', name);
            if write(self, node, name) {
                any = true;
            } else {
                self.0.truncate(before);
            }
        }
        self.0.tag(b'}');
        any
    }

    fn amounts(&mut self, node: &Json<'_>, _: &str) -> bool {
        let has_value = !node.is_empty();
        if has_value {
            self.amount(node);
        }
        has_value
    }

    fn amount(&mut self, node: &Json<'_>) {
        let written = match node {
            Json::String(value) => value.to_string(),
            Json::Number(value) => value.to_string(),
            _ => return self.whole(node),
        };
        match billionths(&written) {
            Some(amount) => self.text(b's', &format!("{amount}n")),
            None => self.whole(node),
        }
    }

    fn whole(&mut self, node: &Json<'_>) {
        match node {
            Json::Null => self.0.tag(b'0'),
            Json::Bool(value) => self.0.tag(if *value { b't' } else { b'f' }),
            Json::Number(value) => self.text(b'n', &value.to_string()),
            Json::String(value) => self.text(b's', value),
            Json::Array(items) => {
                self.0.tag_and_size(b'l', items.len());
                items.iter().for_each(|item| self.whole(item));
            }
            Json::Object(members) => {
                let write = |encoder: &mut Encoder, node: &Json<'_>, _: &str| {
                    encoder.whole(node);
                    true
                };
                self.members(members.iter(), write);
            }
        }
    }
}

#[cfg(test)]
mod tests;

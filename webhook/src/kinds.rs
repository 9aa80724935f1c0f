//! The kinds that admission knows, one entry each. Another kind is another entry, with its fixtures.

use namesake_core::Launcher;
use serde_json::Value;

use crate::review::{GroupVersionKind, Owner};

/// One kind.
#[derive(Debug)]
pub struct Kind {
    /// API group.
    pub group: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Group and kind, as in stamps, messages and metrics.
    pub name: &'static str,
    /// What it is to us.
    pub role: Role,
}

/// What a kind is to us.
#[derive(Debug)]
pub enum Role {
    /// What runs. Its identity is decided when it is made.
    Pod,
    /// What a person makes, and a controller makes pods from. It is stamped.
    Parent(Parent),
}

/// What there is to know about a kind of parent.
#[derive(Debug)]
pub struct Parent {
    /// As the rules name it.
    pub launcher: Launcher,
    /// Labels by which its controller finds its children, and adopts others that have them.
    pub adopts_by: &'static [&'static str],
    /// Changes of the spec by which anybody may stop it.
    pub stops: &'static [Stop],
}

/// A member of the spec that anybody may change in one direction.
#[derive(Debug)]
pub struct Stop {
    /// Name of the member.
    pub member: &'static str,
    /// Whether going from one value to the other stops, or makes it stop sooner. Absent is null.
    pub stops: fn(old: &Value, new: &Value) -> bool,
}

/// Every kind that admission knows.
pub const KINDS: &[Kind] = &[
    Kind {
        group: "",
        kind: "Pod",
        name: "Pod",
        role: Role::Pod,
    },
    Kind {
        group: "batch",
        kind: "Job",
        name: "batch/Job",
        role: Role::Parent(Parent {
            launcher: Launcher::Job,
            adopts_by: &[
                "batch.kubernetes.io/controller-uid",
                "batch.kubernetes.io/job-name",
                "controller-uid",
                "job-name",
            ],
            stops: &[
                Stop {
                    member: "suspend",
                    stops: |_, new| *new == Value::Bool(true),
                },
                Stop {
                    member: "parallelism",
                    stops: |old, new| lower(old.as_i64().or(Some(1)), new.as_i64()),
                },
                Stop {
                    member: "activeDeadlineSeconds",
                    stops: |old, new| lower(old.as_i64().or(Some(i64::MAX)), new.as_i64()),
                },
            ],
        }),
    },
];

fn lower(old: Option<i64>, new: Option<i64>) -> bool {
    matches!((old, new), (Some(old), Some(new)) if new < old)
}

/// The entry of a kind.
#[must_use]
pub fn find(kind: &GroupVersionKind<'_>) -> Option<&'static Kind> {
    let mut kinds = KINDS.iter();
    kinds.find(|k| k.group == kind.group.as_str() && k.kind == kind.kind.as_str())
}

/// The entries of all kinds of parents.
pub fn parents() -> impl Iterator<Item = (&'static Kind, &'static Parent)> {
    KINDS.iter().filter_map(|kind| match &kind.role {
        Role::Parent(parent) => Some((kind, parent)),
        Role::Pod => None,
    })
}

/// The entry of the parent that an owner reference names, whatever its version.
#[must_use]
pub fn owner(owner: &Owner<'_>) -> Option<(&'static Kind, &'static Parent)> {
    let group = owner
        .api_version
        .split_once('/')
        .map_or("", |(group, _)| group);
    parents().find(|(kind, _)| kind.group == group && kind.kind == owner.kind.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_owner_is_found_by_group_and_kind_and_not_by_version() {
        let named = |version: &str, kind: &str| {
            let text = json!({"apiVersion": version, "kind": kind}).to_string();
            owner(&serde_json::from_str(&text).unwrap()).map(|(kind, _)| kind.name)
        };
        assert_eq!(named("batch/v1", "Job"), Some("batch/Job"));
        assert_eq!(named("batch/v9", "Job"), Some("batch/Job"));
        assert_eq!(named("v1", "Job"), None);
        assert_eq!(named("example.com/v1", "Job"), None);
        assert_eq!(named("v1", "Pod"), None);
    }

    #[test]
    fn stopping_goes_in_one_direction() {
        let (_, job) = parents().next().unwrap();
        let stops = |member: &str, old: Value, new: Value| {
            let stop = job.stops.iter().find(|s| s.member == member).unwrap();
            (stop.stops)(&old, &new)
        };
        assert!(stops("suspend", json!(false), json!(true)));
        assert!(!stops("suspend", json!(true), json!(false)));
        assert!(!stops("suspend", json!(true), json!(null)));
        assert!(stops("parallelism", json!(2), json!(1)));
        assert!(stops("parallelism", json!(null), json!(0)));
        assert!(!stops("parallelism", json!(1), json!(2)));
        assert!(!stops("parallelism", json!(1), json!(null)));
        assert!(stops("activeDeadlineSeconds", json!(null), json!(60)));
        assert!(!stops("activeDeadlineSeconds", json!(60), json!(null)));
        assert!(!stops("activeDeadlineSeconds", json!(60), json!(61)));
        assert!(!stops("activeDeadlineSeconds", json!(60), json!("1")));
    }
}

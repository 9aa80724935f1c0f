//! The kinds that admission knows, one entry each. Another kind is another entry, with its fixtures.

mod argo;
mod batch;
mod jobset;
pub mod template;

use namesake_core::{Digest, Json, Launcher};

use crate::review::text::{objects_only, or_default};
use crate::review::{GroupVersionKind, Owner};

pub use template::{Odd, Template};

/// One kind.
#[derive(Debug)]
pub struct Kind {
    /// API group.
    pub group: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Group and kind, as in stamps, messages and metrics.
    pub name: &'static str,
    /// Name in URLs.
    pub plural: &'static str,
    /// The version that is read, unless the API server recommends another.
    pub version: &'static str,
    /// Where it lives.
    pub scope: Scope,
    /// What it is to us.
    pub role: Role,
}

impl Kind {
    /// Whether a controller makes pods of it.
    #[must_use]
    pub const fn is_parent(&self) -> bool {
        matches!(self.role, Role::Parent(_))
    }
}

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace, which must be opted in.
    Namespaced,
    /// In none: it is stamped, and never refused.
    Cluster,
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
    /// Name of the kind that its carrier makes of it; none if it is only referred to.
    pub makes: Option<&'static str>,
    /// Labels and annotations by which its controller finds what is its, and adopts others that have them.
    pub adopts_by: &'static [&'static str],
    /// Changes of the spec by which anybody may stop it.
    pub stops: &'static [Stop],
    /// What else, beside the spec, only its user changes: names what differs between old and new.
    pub also: fn(old: &Parts<'_>, new: &Parts<'_>) -> Option<String>,
    /// The pods that it would make, for early evaluation.
    pub templates: for<'p> fn(&'p Parts<'_>) -> Result<Vec<Template<'p>>, Odd>,
    /// How its stamp says what it runs.
    pub runs: Runs,
}

/// The parts of an object that anything depends on.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(remote = "Self")]
pub struct Parts<'a> {
    /// Labels and annotations.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub metadata: Marks<'a>,
    /// Spec.
    #[serde(borrow, default)]
    pub spec: Json<'a>,
    /// Status; Argo keeps its own copy of the spec there.
    #[serde(borrow, default)]
    pub status: Json<'a>,
}

/// Labels and annotations.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(remote = "Self")]
pub struct Marks<'a> {
    /// Labels.
    #[serde(borrow, default)]
    pub labels: Json<'a>,
    /// Annotations.
    #[serde(borrow, default)]
    pub annotations: Json<'a>,
}

objects_only!(Parts, Marks);

/// How a stamp says what an object runs.
#[derive(Clone, Copy, Debug)]
pub enum Runs {
    /// Not with digests of pod templates: Argo's objects have digests of their own.
    Elsewhere,
    /// Its pods run what its own spec says, and the stamp signs that. The object must still show it.
    Itself {
        /// What it shows.
        own: fn(&Parts<'_>) -> Digest,
    },
    /// Its stamp signs what it would run; what its carrier makes must show one of these digests.
    Signed {
        /// What it would run.
        own: fn(&Parts<'_>) -> Vec<Digest>,
        /// What an object that its carrier makes shows.
        made: fn(&Parts<'_>) -> Digest,
    },
}

impl Runs {
    /// What a stamp signs: each digest once, in order.
    #[must_use]
    pub fn of(&self, parts: &Parts<'_>) -> Vec<Digest> {
        let mut all = match self {
            Runs::Elsewhere => Vec::new(),
            Runs::Itself { own } => vec![own(parts)],
            Runs::Signed { own, .. } => own(parts),
        };
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// A member of the spec that anybody may change in one direction.
#[derive(Debug)]
pub struct Stop {
    /// Name of the member.
    pub member: &'static str,
    /// Whether going from one value to the other stops, or makes it stop sooner. Absent is null.
    pub stops: fn(old: &Json<'_>, new: &Json<'_>) -> bool,
}

/// A member that stops when it becomes true.
const SUSPEND: Stop = Stop {
    member: "suspend",
    stops: |_, new| *new == Json::Bool(true),
};

const POD: Kind = Kind {
    group: "",
    kind: "Pod",
    name: "Pod",
    plural: "pods",
    version: "v1",
    scope: Scope::Namespaced,
    role: Role::Pod,
};

/// Every kind that admission knows.
pub static KINDS: [Kind; 8] = [
    POD,
    batch::JOB,
    batch::CRON_JOB,
    jobset::JOB_SET,
    argo::WORKFLOW,
    argo::WORKFLOW_TEMPLATE,
    argo::CLUSTER_WORKFLOW_TEMPLATE,
    argo::CRON_WORKFLOW,
];

const fn nothing_else(_: &Parts<'_>, _: &Parts<'_>) -> Option<String> {
    None
}

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

/// The entry of the parent of this kind, whatever the API group: controllers of Kubernetes do not look at the group of an owner.
#[must_use]
pub fn of_kind(kind: &str) -> Option<(&'static Kind, &'static Parent)> {
    parents().find(|(known, _)| known.kind == kind)
}

/// The entry of the parent of this name, such as `batch/Job`.
#[must_use]
pub fn named(name: &str) -> Option<(&'static Kind, &'static Parent)> {
    parents().find(|(kind, _)| kind.name == name)
}

#[cfg(test)]
mod tests;

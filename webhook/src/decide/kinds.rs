//! The kinds that admission knows, one entry each. Another kind is another entry, with its fixtures.

mod argo;
mod batch;
mod jobset;
pub mod stopping;
pub mod template;

use kube::ResourceExt;
use namesake_core::{Digest, Json, Launcher};
use serde_json::Value;

use crate::review::text::{objects_only, or_default};
use crate::review::{GroupVersionKind, OwnerReference};

pub use stopping::Stop;
pub use template::{Template, TemplateError};

/// Whether a controller created an object: then its pods belong to the object from which it was created.
#[must_use]
pub fn is_child(object: &impl ResourceExt) -> bool {
    let mut owners = object.owner_references().iter();
    owners.any(|owner| owner.controller == Some(true))
}

/// Whether a Job, JobSet or Workflow has ended, by its status.
#[must_use]
pub fn has_ended(object: &Value) -> bool {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let ends = |condition: &Value| {
        let is = |key: &str, words: &[&str]| {
            let text = condition[key].as_str().unwrap_or_default();
            words.contains(&text)
        };
        is("type", &["Complete", "Completed", "Failed"]) && is("status", &["True"])
    };
    let phase = object.pointer("/status/phase").and_then(Value::as_str);
    conditions.is_some_and(|all| all.iter().any(ends))
        || phase.is_some_and(|phase| ["Succeeded", "Failed", "Error"].contains(&phase))
}

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
    /// Whether its objects live in namespaces.
    pub scope: Scope,
    /// How the webhook handles it.
    pub role: Role,
}

impl Kind {
    /// The namespace that stamps of this kind name for an object in `namespace`: none for a cluster-scoped kind.
    #[must_use]
    pub fn stamp_namespace<'n>(&self, namespace: &'n str) -> &'n str {
        match self.scope {
            Scope::Namespaced => namespace,
            Scope::Cluster => "",
        }
    }
}

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace, which must be opted in.
    Namespaced,
    /// In none: it is stamped, and its identities are decided where it is run.
    Cluster,
}

/// How the webhook handles a kind.
#[derive(Debug)]
pub enum Role {
    /// A pod. Its identity is decided when it is created.
    Pod,
    /// An object that a person creates, and from which a controller creates pods. It is stamped.
    Parent(ParentKind),
}

/// The properties of a kind of parent.
#[derive(Debug)]
pub struct ParentKind {
    /// Its name in the rules.
    pub launcher: Launcher,
    /// Name of the kind that its controller creates from it; none if it is only referred to.
    pub creates: Option<&'static str>,
    /// Labels and annotations by which its controller finds its own objects, and adopts others that have them.
    pub adopts_by: &'static [&'static str],
    /// Its pod templates; none for Argo's kinds, whose specs the module `argo` reads.
    pub pods: Option<PodTemplates>,
}

/// The pod templates of a kind of parent.
#[derive(Clone, Copy, Debug)]
pub struct PodTemplates {
    /// Changes of the spec by which anybody may stop it.
    pub stops: &'static [Stop],
    /// Reads the templates, for early evaluation.
    pub read: for<'p> fn(&'p Parts<'_>) -> Result<Vec<Template<'p>>, TemplateError>,
    /// How its stamp signs what it runs.
    pub runs: Runs,
}

/// The parts of an object that anything depends on.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub struct Parts<'a> {
    /// Labels and annotations.
    #[serde(deserialize_with = "or_default")]
    pub metadata: LabelsAndAnnotations<'a>,
    /// Spec.
    pub spec: Json<'a>,
    /// Status; Argo keeps its own copy of the spec there.
    pub status: Json<'a>,
}

/// Labels and annotations.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub struct LabelsAndAnnotations<'a> {
    /// Labels.
    pub labels: Json<'a>,
    /// Annotations.
    pub annotations: Json<'a>,
}

objects_only!(Parts, LabelsAndAnnotations);

/// How a stamp signs what an object runs.
#[derive(Clone, Copy, Debug)]
pub enum Runs {
    /// Its pods run its own pod template, and the stamp signs the digest of that. The object must still have it.
    Itself {
        /// The digest that the object shows.
        own: fn(&Parts<'_>) -> Digest,
    },
    /// Its stamp signs what it would run; what its controller creates must show one of these digests.
    Signed {
        /// The digests of what it would run.
        own: fn(&Parts<'_>) -> Vec<Digest>,
        /// The digest that an object created by its controller shows.
        child: fn(&Parts<'_>) -> Digest,
    },
}

impl Runs {
    /// The digests that a stamp signs: each once, in order.
    #[must_use]
    pub fn of(&self, parts: &Parts<'_>) -> Vec<Digest> {
        let mut all = match self {
            Runs::Itself { own } => vec![own(parts)],
            Runs::Signed { own, .. } => own(parts),
        };
        all.sort_unstable();
        all.dedup();
        all
    }
}

const POD: Kind = Kind {
    group: "",
    kind: "Pod",
    name: "Pod",
    plural: "pods",
    version: "v1",
    scope: Scope::Namespaced,
    role: Role::Pod,
};

/// Every kind that admission knows; pods first.
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

/// The entry of pods.
#[must_use]
pub fn pod() -> &'static Kind {
    &KINDS[0]
}

/// The entry of a kind.
#[must_use]
pub fn find(kind: &GroupVersionKind<'_>) -> Option<&'static Kind> {
    let mut kinds = KINDS.iter();
    kinds.find(|k| k.group == kind.group.as_str() && k.kind == kind.kind.as_str())
}

/// The entries of all kinds of parents.
pub fn parents() -> impl Iterator<Item = (&'static Kind, &'static ParentKind)> {
    KINDS.iter().filter_map(|kind| match &kind.role {
        Role::Parent(parent) => Some((kind, parent)),
        Role::Pod => None,
    })
}

/// The entry of the parent that an owner reference names, whatever its version.
#[must_use]
pub fn of_owner(owner: &OwnerReference<'_>) -> Option<(&'static Kind, &'static ParentKind)> {
    let group = owner.api_group();
    parents().find(|(kind, _)| kind.group == group && kind.kind == owner.kind.as_str())
}

/// The entry of the parent of this kind, whatever the API group: controllers of Kubernetes ignore the group of an owner.
#[must_use]
pub fn of_kind(kind: &str) -> Option<(&'static Kind, &'static ParentKind)> {
    parents().find(|(known, _)| known.kind == kind)
}

/// The entry of the parent of this name, such as `batch/Job`.
#[must_use]
pub fn named(name: &str) -> Option<(&'static Kind, &'static ParentKind)> {
    parents().find(|(kind, _)| kind.name == name)
}

#[cfg(test)]
mod tests;

//! An object of Argo as the API server has it, and what a stamp signs of it.

use namesake_core::{ArgoStamp, Json};
use serde::Deserialize;

use super::stored::{NOT_COMPARED, digest};
use super::{ArgoKind, STORED};
use crate::review::Metadata;
use crate::review::text::{objects_only, or_default};
/// An object of Argo.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub struct ArgoObject<'a> {
    /// Metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
    /// Spec.
    pub spec: Json<'a>,
    /// Status.
    pub status: Json<'a>,
}

objects_only!(ArgoObject);

/// The digest of an object that its stamp signs: of all fields that determine what runs; for a Workflow, without those that anybody
/// may change to stop it.
#[must_use]
pub fn own_digest(argo_kind: ArgoKind, spec: &Json<'_>) -> String {
    match argo_kind {
        ArgoKind::Workflow => digest(spec, NOT_SIGNED),
        ArgoKind::CronWorkflow => digest(spec.get("workflowSpec"), &[]),
        ArgoKind::Template => digest(spec, NOT_COMPARED),
    }
}

/// The digest of what Argo stored in a Workflow; `None` before it has.
#[must_use]
pub fn stored_digest(status: &Json<'_>) -> Option<String> {
    let stored = status.get(STORED);
    (!stored.is_empty()).then(|| digest(stored, NOT_COMPARED))
}

/// Whether an object still matches its stamp.
#[must_use]
pub fn is_as_signed(
    argo: &ArgoStamp,
    argo_kind: ArgoKind,
    spec: &Json<'_>,
    status: &Json<'_>,
) -> bool {
    match argo {
        ArgoStamp::Own { digest, .. } => *digest == own_digest(argo_kind, spec),
        ArgoStamp::Deployed(deployer) => stored_digest(status).as_ref() == Some(&deployer.stored),
        ArgoStamp::Reference { .. } | ArgoStamp::Unmatched => true,
    }
}

/// Members that stop a Workflow, or that Argo's `workflowDefaults` add to one.
const NOT_SIGNED: &[&str] = &[
    "activeDeadlineSeconds",
    "archiveLogs",
    "metrics",
    "parallelism",
    "podGC",
    "priority",
    "shutdown",
    "suspend",
    "ttlStrategy",
    "volumeClaimGC",
];

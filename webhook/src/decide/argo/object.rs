//! An object of Argo, as it is read whole: from the API server, or out of a review.

use namesake_api::names::STAMP_ANNOTATION;
use namesake_core::{Argo, SealError, Stamp};
use serde::Deserialize;

use super::stored::{FREE, digest};
use super::{Role, STORED};
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::Kind;
use crate::decide::who;
use crate::review::Metadata;
use crate::review::text::{objects_only, or_default};
use namesake_core::Json;

/// An object of Argo.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self")]
pub struct Object<'a> {
    /// Metadata.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
    /// Spec.
    #[serde(borrow, default)]
    pub spec: Json<'a>,
    /// Status.
    #[serde(borrow, default)]
    pub status: Json<'a>,
}

objects_only!(Object);

impl Object<'_> {
    /// Its stamp; `None` if it has none.
    #[must_use]
    pub fn stamp(
        &self,
        context: &AdmissionContext<'_>,
        namespace: &str,
        kind: &Kind,
    ) -> Option<Result<Stamp, SealError>> {
        stamp(context, namespace, kind, &self.metadata)
    }
}

/// The stamp in an object's metadata; `None` if it has none.
#[must_use]
pub fn stamp(
    context: &AdmissionContext<'_>,
    namespace: &str,
    kind: &Kind,
    metadata: &Metadata<'_>,
) -> Option<Result<Stamp, SealError>> {
    let text = metadata.annotation(STAMP_ANNOTATION)?;
    let seen = who::seen(context, namespace, kind, metadata);
    Some(who::verify(context, text, &seen))
}

/// The digest that a stamp signs of an object: of all that says what runs, but of a Workflow not what anybody may change
/// to stop it.
#[must_use]
pub fn own(role: Role, spec: &Json<'_>) -> String {
    match role {
        Role::Workflow => digest(spec, STOPPING),
        Role::CronWorkflow => digest(spec.get("workflowSpec"), &[]),
        Role::Template => digest(spec, FREE),
    }
}

/// The digest of what Argo stored in a Workflow; `None` before it has.
#[must_use]
pub fn stored(status: &Json<'_>) -> Option<String> {
    let stored = status.get(STORED);
    (!stored.is_empty()).then(|| digest(stored, FREE))
}

/// Whether what a stamp signed is what an object says now.
#[must_use]
pub fn still_says(argo: &Argo, role: Role, spec: &Json<'_>, status: &Json<'_>) -> bool {
    match argo {
        Argo::Own { digest, .. } => *digest == own(role, spec),
        Argo::Deployed(deployer) => stored(status).as_ref() == Some(&deployer.stored),
        Argo::Reference { .. } | Argo::Unmatched => true,
    }
}

/// What stops a Workflow, and what Argo's `workflowDefaults` add to one.
const STOPPING: &[&str] = &[
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

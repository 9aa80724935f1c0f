//! Writes of an Identity's status by the reconciler.

use namesake_api::{Identity, IdentityStatus};

use super::{ReconcileError, Result};
use crate::cluster::identity_status;
use crate::controllers::context::Context;
use crate::identity::conditions;
use crate::identity::finding::Finding;

/// Writes findings about this generation of an Identity.
pub(super) async fn write_findings(
    identity: &Identity,
    context: &Context,
    findings: &[Finding],
) -> Result<Identity> {
    let now = context.now();
    let generation = identity.metadata.generation;
    let record = |current: &Identity, status: &mut IdentityStatus| {
        current.metadata.generation == generation
            && conditions::record(status, generation, current.spec.mode, findings, now)
    };
    update_status(identity, context, record).await
}

/// Writes a change of the status, and remembers the version that it made.
pub(super) async fn update_status(
    identity: &Identity,
    context: &Context,
    change: impl Fn(&Identity, &mut IdentityStatus) -> bool,
) -> Result<Identity> {
    let written = identity_status::update(&context.client, identity, change).await;
    let written = written.map_err(|error| {
        let what = "the API server did not accept the status of an Identity";
        ReconcileError::Step(format!("{what}: {error}"))
    })?;
    context.memories.record_write(&written);
    Ok(written)
}

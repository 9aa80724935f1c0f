//! What the broker may give at all. What is never written is not recorded either: nobody could take it back.

use namesake_api::Identity;

use super::Context;
use crate::google::written;
use crate::identity::failure::Failure;
use crate::identity::reason::ConditionReason;

/// Whether the broker's own configuration lets it give these roles.
pub(super) fn give(identity: &Identity, context: &Context) -> Result<(), Failure> {
    match context.config.allowed_roles.refusal(&identity.spec) {
        Some(why) => Err(Failure::lasting(ConditionReason::RoleNotAllowed, why)),
        None => Ok(()),
    }
}

/// Whether they may be recorded, too: only where Google lets the broker take them back.
pub(super) async fn record(identity: &Identity, context: &Context) -> Result<(), Failure> {
    give(identity, context)?;
    let status = identity.status.clone().unwrap_or_default();
    if written::is_complete(identity, &status) {
        return Ok(());
    }
    context.rights.check(&context.gcp, &identity.spec).await
}

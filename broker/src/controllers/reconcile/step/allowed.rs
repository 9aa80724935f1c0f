//! What the broker may grant and record. What it never writes it must not record either, because it could never revoke that.

use namesake_api::Identity;
use namesake_core::Reason;

use crate::controllers::context::Context;
use crate::controllers::reconcile::outcome::StepResult;
use crate::google::recorded;
use crate::identity::step_failure::StepFailure;

/// Checks that the broker's configuration allows these roles.
pub(super) fn check_roles(identity: &Identity, context: &Context) -> StepResult<()> {
    match context.config.allowed_roles.refusal(&identity.spec) {
        Some(why) => Err(StepFailure::lasting(Reason::RoleNotAllowed, why)),
        None => Ok(()),
    }
}

/// Checks that the grants may be recorded as well: only if Google lets the broker revoke them.
pub(super) async fn check_record(identity: &Identity, context: &Context) -> StepResult<()> {
    check_roles(identity, context)?;
    let status = identity.status.clone().unwrap_or_default();
    if recorded::is_complete(identity, &status) {
        return Ok(());
    }
    context
        .permissions
        .check(&context.gcp, &identity.spec)
        .await
}

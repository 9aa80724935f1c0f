//! Takes an identity's Google side down when its Identity is deleted.

use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt};
use namesake_api::Identity;
use namesake_api::names::GOOGLE_ACCOUNT_READY;
use tracing::info;

use super::advance::write;
use super::{Context, Error, leave};
use crate::identity::conditions::Finding;
use crate::identity::failure::Failure;
use crate::identity::reason::ConditionReason;

/// Takes it all down. The finalizer goes when this succeeds; while Google is away the Identity waits, and says why.
pub(super) async fn cleanup(identity: &Identity, context: &Context) -> Result<Action, Error> {
    let limit = context.config.timings.step;
    let done = tokio::time::timeout(limit, leave::take_down(identity, context)).await;
    let late = || {
        Err(Failure::passing(
            ConditionReason::Timeout,
            "Google took too long",
        ))
    };
    let name = identity.name_any();
    match done.unwrap_or_else(|_| late()) {
        Ok(()) => {
            context.memories.forget(identity);
            info!(%name, user = %identity.spec.user, "identity taken down");
            Ok(Action::await_change())
        }
        Err(failure) => {
            context.metrics.step("TakeDown", failure.reason);
            let why = format!(
                "the Identity waits until its Google side is gone: {}",
                failure.message
            );
            let finding =
                Finding::fails(GOOGLE_ACCOUNT_READY, ConditionReason::Deleting, why.clone());
            // In a namespace that is going away neither needs to be possible.
            let _ = write(identity, context, &[finding]).await;
            context
                .events
                .warning(&identity.object_ref(&()), "TakeDown", failure.reason, &why)
                .await;
            Err(Error::Google(why))
        }
    }
}

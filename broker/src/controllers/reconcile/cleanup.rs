//! Deletes an identity's Google side when its Identity is deleted.

use kube::ResourceExt;
use kube::runtime::controller::Action;
use namesake_api::Identity;
use namesake_api::names::GOOGLE_ACCOUNT_READY;
use namesake_core::Reason;
use tracing::info;

use super::step::teardown::delete_at_google;
use super::write::write_findings;
use super::{ReconcileError, Result};
use crate::controllers::context::Context;
use crate::identity::finding::Finding;
use crate::identity::step_failure::StepFailure;

/// Deletes the Google side. Then the finalizer is removed; while Google is unavailable, the Identity stays and says why.
pub(super) async fn cleanup(identity: &Identity, context: &Context) -> Result<Action> {
    let limit = context.config.timings.step;
    let deleted = tokio::time::timeout(limit, delete_at_google(identity, context)).await;
    let timed_out = StepFailure::passing(Reason::Timeout, "Google took too long");
    match deleted.unwrap_or(Err(timed_out)) {
        Ok(()) => {
            context.memories.remove(identity);
            let name = identity.name_any();
            info!(%name, user = %identity.spec.user, "identity deleted at Google");
            Ok(Action::await_change())
        }
        Err(failure) => {
            let reason = failure.reason;
            context.metrics.step_ended("TakeDown", reason.as_str());
            let why = format!(
                "the Identity stays until its Google side is deleted: {}",
                failure.message
            );
            let finding = Finding::fails(GOOGLE_ACCOUNT_READY, Reason::Deleting, why.clone());
            // In a namespace that is being deleted, neither may succeed.
            let _ = write_findings(identity, context, &[finding]).await;
            context.warn(identity, "TakeDown", reason, &why).await;
            Err(ReconcileError::Step(why))
        }
    }
}

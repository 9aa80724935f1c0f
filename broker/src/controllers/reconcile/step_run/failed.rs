//! What happens after a step failed: when it is tried again, and what conditions, Events and metrics say.

use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use namesake_api::Identity;
use namesake_api::conditions::{Status, get};
use namesake_api::names::{BINDING_READY, VERIFIED};
use namesake_core::Reason;
use tokio::time::Instant;
use tracing::warn;

use crate::controllers::context::Context;
use crate::controllers::reconcile::Result;
use crate::controllers::reconcile::memory::Memory;
use crate::controllers::reconcile::write::write_findings;
use crate::google::verify::deny_policy_hint;
use crate::identity::finding::without_code;
use crate::identity::phase::elapsed;
use crate::identity::plan::change::Change;
use crate::identity::progress::condition_of;
use crate::identity::retry_trigger::RetryTrigger;
use crate::identity::step_failure::{Retry, StepFailure};

/// Writes in conditions and an Event why a step failed. Returns when to try again.
pub(crate) async fn handle_failure(
    identity: &Identity,
    context: &Context,
    memory: &mut Memory,
    change: &Change,
    failure: StepFailure,
) -> Result<Action> {
    // Before it is counted, because an overdue verification is tried slowly.
    let failure = with_deadline(identity, context, change, failure);
    let failure = with_reported_message(identity, change, failure);
    let wait = count_failure(identity, context, memory, change, &failure);
    let breaks = failure.breaks || (failure.revokes && memory.believes_refusal());
    // An identity that works still counts as working while nobody can be asked about it.
    if identity.is_ready() && !breaks {
        warn!(name = %identity.name_any(), message = %failure.message, "failed to check an identity for drift");
        // After a refusal the check goes on until that is believed.
        if !failure.revokes {
            memory.finish(context.config.timings.resync);
        }
        return Ok(Action::requeue(wait));
    }
    let written = write_findings(identity, context, &[failure.finding(change)]).await?;
    if written.status != identity.status {
        let (name, user) = (identity.name_any(), &identity.spec.user);
        let (action, reason, message) = (change.as_str(), failure.reason, &failure.message);
        warn!(%name, %user, ?change, %reason, %message, wait_ms = wait.as_millis(), "step failed");
        context.warn(identity, action, reason, message).await;
    }
    Ok(Action::requeue(wait))
}

/// Counts a failure. Returns how long to wait before the next attempt.
pub(crate) fn count_failure(
    identity: &Identity,
    context: &Context,
    memory: &mut Memory,
    change: &Change,
    failure: &StepFailure,
) -> Duration {
    let reason = failure.reason.as_str();
    context.metrics.step_ended(change.as_str(), reason);
    // A step that waits for its turn has not failed.
    if !matches!(failure.retry, Retry::Queued(_)) {
        memory.step_failed(change);
    }
    let (timings, failures) = (&context.config.timings, memory.failures);
    let uid = identity.uid().unwrap_or_default();
    let wait = match failure.retry {
        Retry::Queued(turn) => turn,
        Retry::Backoff(at_least) => timings.backoff(failures, &uid).max(at_least),
        Retry::Slowly => timings.refused,
        Retry::Rarely => timings.organization_backoff(failures, &uid),
    };
    memory.refused = failure.retry.needs_a_person().then(|| {
        let rules = context.rules.current();
        RetryTrigger::of(identity, rules.as_deref())
    });
    memory.not_before = Some(Instant::now() + wait);
    wait
}

/// Whether the identity was created a moment ago, so that nobody wonders yet why it does not work.
pub(crate) fn is_new(identity: &Identity, context: &Context) -> bool {
    identity
        .creation_timestamp()
        .is_some_and(|created| elapsed(created.0, context.now()) < context.config.timings.retry.1)
}

/// The failure with the message that the condition has already, if only an id of Google differs: then nothing is reported again.
fn with_reported_message(
    identity: &Identity,
    change: &Change,
    failure: StepFailure,
) -> StepFailure {
    let status = identity.status.as_ref();
    let condition = status.and_then(|status| get(&status.conditions, condition_of(change)));
    let same = condition.filter(|condition| {
        condition.status == Status::False.as_str()
            && condition.reason == failure.reason.as_str()
            && failure.is_same_message(without_code(condition))
    });
    match same {
        Some(condition) => StepFailure {
            message: without_code(condition).to_owned(),
            changing_id: None,
            ..failure
        },
        None => failure,
    }
}

/// A verification that fails after the deadline gets its own reason, and is tried slowly.
fn with_deadline(
    identity: &Identity,
    context: &Context,
    change: &Change,
    failure: StepFailure,
) -> StepFailure {
    // A refusal by the organization has its own reason.
    if *change != Change::Verify || failure.is_organization_refusal() {
        return failure;
    }
    let deadline = context.config.timings.deadline;
    let status = identity.status.clone().unwrap_or_default();
    let times = [BINDING_READY, VERIFIED]
        .into_iter()
        .filter_map(|condition| get(&status.conditions, condition));
    let since = times.map(|c| c.last_transition_time.0).max();
    if since.is_none_or(|since| elapsed(since, context.now()) <= deadline) {
        return failure;
    }
    let (limit, why) = (described(deadline), &failure.message);
    let hint = deny_policy_hint(identity, &failure);
    StepFailure {
        reason: Reason::DeadlineExceeded,
        message: format!(
            "not verified within {limit}, which is longer than Google needs: {why}{hint}"
        ),
        retry: Retry::Slowly,
        ..failure
    }
}

fn described(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} minutes", seconds / 60),
    }
}

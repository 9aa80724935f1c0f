//! A run of steps of one identity: each step's outcome is written to the status, at once or together with later ones.

pub(super) mod failed;
pub(super) mod settle;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt};
use namesake_api::conditions::{Status, get};
use namesake_api::names::EXCLUSIVE;
use namesake_api::{Identity, IdentityStatus};
use namesake_core::Reason;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::memory::Memory;
use super::outcome::{ObservedAccount, PendingStatus, StepOutcome, StepResult};
use super::write::update_status;
use super::{Result, step};
use crate::controllers::context::Context;
use crate::identity::conditions;
use crate::identity::phase;
use crate::identity::plan::Goal;
use crate::identity::plan::change::Change;
use crate::identity::plan::observed::ServiceAccountState;
use crate::identity::step_failure::{Retry, StepFailure};
use failed::{count_failure, handle_failure, is_new};
use settle::{remaining_changes, settle};

/// A run of steps. `identity` is as it is after the steps so far: the run does not wait for the watch to show what it wrote.
pub(super) struct StepRun {
    pub(super) identity: Identity,
    pub(super) goal: Goal,
    account: ServiceAccountState,
    /// The run ends when this changes: somebody else has changed the identity.
    basis: RunBasis,
    pending: PendingStatus,
}

/// Generation of the spec, whether the phase serves, whether the Identity is being deleted.
type RunBasis = (Option<i64>, bool, bool);

fn basis(identity: &Identity) -> RunBasis {
    let metadata = &identity.metadata;
    let is_deleted = metadata.deletion_timestamp.is_some();
    (
        metadata.generation,
        identity.phase().accepts_new_pods(),
        is_deleted,
    )
}

impl StepRun {
    /// A run that continues with outcomes that an earlier one has not written.
    pub(super) fn new(
        mut identity: Identity,
        goal: Goal,
        account: ObservedAccount,
        mut pending: PendingStatus,
        now: Timestamp,
    ) -> Self {
        if let Some(uid) = account.unrecorded_uid {
            let mut status = identity.status.take().unwrap_or_default();
            conditions::record_service_account(&identity, &mut status, &uid, now);
            identity.status = Some(status);
            let mut uids = pending
                .iter()
                .filter_map(|(_, outcome)| outcome.service_account_uid.as_ref());
            if !uids.any(|pending| *pending == uid) {
                let outcome = StepOutcome {
                    service_account_uid: Some(uid),
                    ..StepOutcome::default()
                };
                pending.push((Change::CreateServiceAccount, outcome));
            }
        }
        Self {
            basis: basis(&identity),
            identity,
            goal,
            account: account.state,
            pending,
        }
    }

    /// The next change of the plan.
    pub(super) fn next(&self, memory: &Memory) -> Option<Change> {
        let status = self.identity.status.clone().unwrap_or_default();
        let (goal, account) = (self.goal, self.account);
        let remaining = remaining_changes(&self.identity, &status, memory, goal, account);
        remaining.into_iter().next()
    }

    /// The outcomes that are not in the status yet.
    pub(super) fn into_pending(self) -> PendingStatus {
        self.pending
    }

    /// Runs one step. Its outcome is written at once if it must not be forgotten, or if the run then waits for longer than
    /// between two verifications. Returns when to reconcile again if the run ends, which it also does at `until`.
    pub(super) async fn run(
        &mut self,
        context: &Context,
        memory: &mut Memory,
        change: &Change,
        until: Instant,
    ) -> Result<Option<Action>> {
        let timings = &context.config.timings;
        let outcome = match self.execute(context, memory, change).await {
            Ok(outcome) => outcome,
            Err(failure) => {
                return self.fail(context, memory, change, failure).await.map(Some);
            }
        };
        context.metrics.step_ended(change.as_str(), "ok");
        debug!(name = %self.identity.name_any(), ?change, repaired = outcome.repaired, "step done");
        let repeat_after = outcome.repeat_after;
        if repeat_after.is_none() {
            memory.step_succeeded(change, outcome.repaired);
        }
        self.account = outcome.service_account.unwrap_or(self.account);
        // The longest wait that may follow, in case that the status cannot be written.
        let longest = repeat_after.unwrap_or_else(|| step::pause(change, Some(change), timings));
        memory.not_before = Some(Instant::now() + longest);
        let must_write = memory.checking || !outcome.may_be_forgotten(&self.identity);
        self.pending.push((change.clone(), outcome));
        if must_write {
            self.flush_status(context, memory).await?;
        }
        let next = self.next(memory);
        let wait = repeat_after.unwrap_or_else(|| step::pause(change, next.as_ref(), timings));
        let serves = self.goal == Goal::Serve;
        // Written together with what follows soon: requests of new users wait for each write.
        let may_delay = serves && repeat_after.is_none() && wait <= timings.verification;
        if next.is_none() || !may_delay {
            self.flush_status(context, memory).await?;
        }
        memory.not_before = Some(Instant::now() + wait);
        let goes_on = serves
            && next.as_ref() != Some(change)
            && wait.is_zero()
            && Instant::now() < until
            && self.basis == basis(&self.identity);
        Ok((!goes_on).then(|| Action::requeue(wait)))
    }

    async fn execute(&self, context: &Context, memory: &mut Memory, change: &Change) -> StepResult {
        // The wait for a permit does not count as time of the step.
        let permit = match change {
            Change::Verify | Change::VerifyAgain => Some(context.verifications.acquire().await),
            _ => None,
        };
        let limit = context.config.timings.step;
        let step = step::execute(&self.identity, context, change, memory);
        let executed = tokio::time::timeout(limit, step).await;
        drop(permit);
        executed.unwrap_or_else(|_| {
            let why = "the step took too long: it is tried again";
            Err(StepFailure::passing(Reason::Timeout, why))
        })
    }

    async fn fail(
        &mut self,
        context: &Context,
        memory: &mut Memory,
        change: &Change,
        failure: StepFailure,
    ) -> Result<Action> {
        // Of many new identities at once, each waits for its turn: that is not written unless it takes long.
        if matches!(failure.retry, Retry::Queued(_)) && is_new(&self.identity, context) {
            let wait = count_failure(&self.identity, context, memory, change, &failure);
            debug!(name = %self.identity.name_any(), ?change, wait_ms = wait.as_millis(), "waiting for its turn");
            return Ok(Action::requeue(wait));
        }
        self.flush_status(context, memory).await?;
        handle_failure(&self.identity, context, memory, change, failure).await
    }

    /// Writes the pending outcomes to the status.
    pub(super) async fn flush_status(&mut self, context: &Context, memory: &Memory) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let (goal, account, now) = (self.goal, self.account, context.now());
        let change = |current: &Identity, status: &mut IdentityStatus| {
            let outcomes = pending.iter().map(|(_, outcome)| outcome);
            settle(current, status, outcomes, memory, goal, account, now)
        };
        let written = match update_status(&self.identity, context, change).await {
            Ok(written) => written,
            Err(error) => {
                self.pending = pending;
                return Err(error);
            }
        };
        let before = std::mem::replace(&mut self.identity, written);
        for (change, outcome) in &pending {
            report_drift(&before, &self.identity, context, change, outcome).await;
        }
        if self.identity.is_ready() && !before.is_ready() {
            info!(name = %before.name_any(), user = %before.spec.user, "identity works");
            if let Some(took) = phase::first_provisioning(&before, now) {
                context.metrics.identity_provisioned(took.as_secs_f64());
            }
            let (events, about) = (&context.events, before.object_ref(&()));
            let (reason, note) = (Reason::Ready, "the identity works");
            events.normal(&about, "Verify", reason, note).await;
        }
        Ok(())
    }
}

/// Reports in Events what was restored on a working identity, and who else got into its policy.
async fn report_drift(
    before: &Identity,
    after: &Identity,
    context: &Context,
    change: &Change,
    outcome: &StepOutcome,
) {
    let repaired = outcome.repaired || *change == Change::RepairServiceAccount;
    if repaired && before.is_ready() {
        let step = change.as_str();
        warn!(name = %before.name_any(), step, "something of an identity was changed by somebody else, and has been restored");
        let note = format!("{step}: something was missing or changed, and has been restored");
        context.warn(before, step, Reason::Repaired, &note).await;
    }
    let exclusive = |identity: &Identity| {
        let status = identity.status.as_ref()?;
        let condition = get(&status.conditions, EXCLUSIVE)?;
        Some((condition.status.clone(), condition.message.clone()))
    };
    if let Some(finding) = &outcome.foreign_members
        && finding.status == Status::False
        && exclusive(before) != exclusive(after)
    {
        let (reason, message) = (finding.reason, &finding.message);
        context.warn(before, "Bind", reason, message).await;
    }
}

//! One step of the plan, taken, and what status, Events and metrics say of it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt};
use namesake_api::conditions::{Status, get};
use namesake_api::names::EXCLUSIVE;
use namesake_api::{Identity, IdentityStatus};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::advance::{update, write};
use super::memory::Memory;
use super::step::{Done, Look};
use super::{Context, Error, step};
use crate::google::written;
use crate::identity::conditions;
use crate::identity::failure::{Failure, Retry};
use crate::identity::plan::{self, Aim, Change, Desired, plan};
use crate::identity::reason::ConditionReason;
use crate::identity::retry::Asked;

/// As much of what a user who has left still has is listed in the status.
const LEFT: usize = 20;

/// An identity on its way: as it is after the steps so far. Nobody waits for the watch to show what was just written.
pub(super) struct Way {
    pub(super) identity: Identity,
    aim: Aim,
    account: plan::ServiceAccount,
    /// What the way is right for: with another spec or phase it is another's.
    about: About,
    untold: Untold,
}

/// Steps that the status does not tell yet: a restart would only repeat them.
pub(super) type Untold = Vec<(Change, Done)>;

impl Way {
    /// Where it begins, or goes on with what is `untold`.
    pub(super) fn of(
        mut identity: Identity,
        aim: Aim,
        seen: Look,
        mut untold: Untold,
        now: Timestamp,
    ) -> Self {
        if let Some(uid) = seen.learned {
            let mut status = identity.status.take().unwrap_or_default();
            conditions::service_account(&identity, &mut status, &uid, now);
            identity.status = Some(status);
            let done = Done {
                service_account_uid: Some(uid.clone()),
                ..Done::default()
            };
            let known = |(_, done): &(_, Done)| done.service_account_uid.as_ref() == Some(&uid);
            if !untold.iter().any(known) {
                untold.push((Change::CreateServiceAccount, done));
            }
        }
        Self {
            about: about(&identity),
            identity,
            aim,
            account: seen.account,
            untold,
        }
    }

    /// The next change of the plan.
    pub(super) fn next(&self, memory: &Memory) -> Option<Change> {
        let status = self.identity.status.clone().unwrap_or_default();
        let towards = (self.aim, self.account);
        left(&self.identity, &status, memory, towards)
            .into_iter()
            .next()
    }

    /// What is still untold when the way breaks off.
    pub(super) fn leaves(self) -> Untold {
        self.untold
    }

    /// Takes one step and writes down what came of it: at once what must not be forgotten, the rest when it has to wait for
    /// more than the spacing of steps. Returns what to do instead of going on, also when it is `until`.
    pub(super) async fn take(
        &mut self,
        context: &Context,
        memory: &mut Memory,
        change: &Change,
        until: Instant,
    ) -> Result<Option<Action>, Error> {
        let timings = &context.config.timings;
        // Its turn may be long in coming, when many are proven at once: that is no fault of the step.
        let turn = match change {
            Change::Prove | Change::ProveAgain => Some(context.proofs.turn().await),
            _ => None,
        };
        let step = step::take(&self.identity, context, change, memory);
        let taken = tokio::time::timeout(timings.step, step).await;
        drop(turn);
        let late = || {
            let why = "the step took too long and was given up: it is tried again";
            Err(Failure::passing(ConditionReason::Timeout, why))
        };
        let done = match taken.unwrap_or_else(|_| late()) {
            Ok(done) => done,
            Err(failure) => {
                // Many came at once, and each has its turn: they are not told one by one, unless it takes long.
                if matches!(failure.retry, Retry::Turn(_)) && is_new(&self.identity, context) {
                    let wait = waits(&self.identity, context, memory, change, &failure);
                    debug!(name = %self.identity.name_any(), ?change, wait_ms = wait.as_millis(), "waits for its turn");
                    return Ok(Some(Action::requeue(wait)));
                }
                self.tell(context, memory).await?;
                let failed = fail(&self.identity, context, memory, change, failure).await;
                return failed.map(Some);
            }
        };
        context.metrics.step(step::name(change), "ok");
        debug!(name = %self.identity.name_any(), ?change, repaired = done.repaired, "step done");
        if done.again.is_none() {
            memory.did(change, done.repaired);
        }
        self.account = done.service_account.unwrap_or(self.account);
        // As long as it may be, in case that the status cannot be written.
        let again = done.again;
        let longest = again.unwrap_or_else(|| step::pause(change, Some(change), timings));
        memory.not_before = Some(Instant::now() + longest);
        let must_tell = memory.looking || !done.may_be_forgotten(&self.identity);
        self.untold.push((change.clone(), done));
        if must_tell {
            self.tell(context, memory).await?;
        }
        let next = self.next(memory);
        let wait = again.unwrap_or_else(|| step::pause(change, next.as_ref(), timings));
        let serves = self.aim == Aim::Serve && next.as_ref() != Some(change);
        let on = serves && wait.is_zero() && Instant::now() < until;
        // Told in a moment, with what comes then: each write of a status is one more that newcomers wait for.
        let soon = self.aim == Aim::Serve && again.is_none() && wait <= timings.proof;
        if next.is_none() || !soon {
            self.tell(context, memory).await?;
        }
        // Somebody else may have changed it meanwhile: then the course is set anew.
        let goes_on = on && self.about == about(&self.identity);
        memory.not_before = Some(Instant::now() + wait);
        Ok((!goes_on).then(|| Action::requeue(wait)))
    }

    /// Writes down what the steps have done that nobody was told of.
    pub(super) async fn tell(&mut self, context: &Context, memory: &Memory) -> Result<(), Error> {
        if self.untold.is_empty() {
            return Ok(());
        }
        let steps = std::mem::take(&mut self.untold);
        let (aim, now) = ((self.aim, self.account), context.now());
        let dones = || steps.iter().map(|(_, done)| done);
        let settle = |seen: &Identity, status: &mut IdentityStatus| {
            settle(seen, status, dones(), memory, aim, now)
        };
        let settled = match update(&self.identity, context, settle).await {
            Ok(settled) => settled,
            Err(error) => {
                self.untold = steps;
                return Err(error);
            }
        };
        let before = std::mem::replace(&mut self.identity, settled);
        for (change, done) in &steps {
            say_drift(&before, context, change, done, &self.identity).await;
        }
        if self.identity.is_ready() && !before.is_ready() {
            info!(name = %before.name_any(), user = %before.spec.user, "identity works");
            let (events, about) = (&context.events, before.object_ref(&()));
            let note = "the identity works";
            events
                .normal(&about, "Prove", ConditionReason::Ready.as_str(), note)
                .await;
        }
        Ok(())
    }
}

/// Generation, whether it serves, whether it is on its way out.
type About = (Option<i64>, bool, bool);

fn about(identity: &Identity) -> About {
    let metadata = &identity.metadata;
    let leaves = metadata.deletion_timestamp.is_some();
    (
        metadata.generation,
        identity.phase().accepts_new_pods(),
        leaves,
    )
}

/// What is left of the plan when the status says this.
fn left(
    identity: &Identity,
    status: &IdentityStatus,
    memory: &Memory,
    (aim, account): (Aim, plan::ServiceAccount),
) -> Vec<Change> {
    let desired = Desired::of(&identity.spec).towards(aim);
    plan(
        &desired,
        &memory.observed(identity, status, account, &desired),
    )
}

/// Says in Events what of an identity that worked was put back, and who else came into its policy.
async fn say_drift(
    identity: &Identity,
    context: &Context,
    change: &Change,
    done: &Done,
    settled: &Identity,
) {
    let about = identity.object_ref(&());
    let repaired = done.repaired || *change == Change::RepairServiceAccount;
    if repaired && identity.is_ready() {
        let what = step::name(change);
        warn!(name = %identity.name_any(), what, "something of an identity was changed by somebody else, and was put back");
        let note = format!("{what}: something was missing or changed, and was put back");
        context
            .events
            .warning(&about, what, ConditionReason::Repaired.as_str(), &note)
            .await;
    }
    let said = |identity: &Identity| {
        let status = identity.status.as_ref()?;
        get(&status.conditions, EXCLUSIVE).map(|c| (c.status.clone(), c.message.clone()))
    };
    if let Some(exclusive) = &done.exclusive
        && exclusive.status == Status::False
        && said(identity) != said(settled)
    {
        let (reason, note) = (&exclusive.reason, &exclusive.message);
        context.events.warning(&about, "Bind", reason, note).await;
    }
}

/// What the status says after some steps: what they learned, and what is left of the plan. Pure.
pub(super) fn settle<'d>(
    seen: &Identity,
    status: &mut IdentityStatus,
    steps: impl Iterator<Item = &'d Done>,
    memory: &Memory,
    (aim, account): (Aim, plan::ServiceAccount),
    now: Timestamp,
) -> bool {
    let before = status.clone();
    let (generation, mode) = (seen.metadata.generation, seen.spec.mode);
    let mut repaired = false;
    for done in steps {
        learn(seen, status, done, now);
        repaired |= done.repaired;
        if !memory.is_quiet() {
            conditions::record(status, generation, mode, &done.findings, now);
        }
        if let Some(exclusive) = &done.exclusive {
            let exclusive = std::slice::from_ref(exclusive);
            conditions::record(status, generation, mode, exclusive, now);
        }
    }
    if !memory.is_quiet() {
        let left = left(seen, status, memory, (aim, account));
        let mut progress = conditions::progress(aim, &left);
        // Looking again undoes nothing that holds, unless it has found something missing: the deadline counts from when it held.
        if memory.looking && !repaired {
            progress.retain(|p| {
                p.status == Status::True || !conditions::holds(status, generation, p.condition)
            });
        }
        conditions::record(status, generation, mode, &progress, now);
    }
    *status != before
}

/// What a step has learned, beside conditions.
fn learn(seen: &Identity, status: &mut IdentityStatus, done: &Done, now: Timestamp) {
    if let Some(uid) = &done.service_account_uid {
        conditions::service_account(seen, status, uid, now);
        // It was made for a pod.
        status.last_used_time.get_or_insert(Time(now));
    }
    if done.google_id.is_some() {
        status.google_service_account_id.clone_from(&done.google_id);
    }
    if done.forget_service_account {
        status.service_account_uid = None;
    }
    if done.forget_google_id {
        status.google_service_account_id = None;
    }
    if let Some(members) = &done.record {
        written::record(seen, status, members);
    }
    written::forget(status, &done.taken);
    if let Some(left) = &done.left {
        status.left = left.iter().take(LEFT).cloned().collect();
    }
    if done.used {
        status.last_used_time = Some(Time(now));
    }
}

/// Whether it was made a moment ago: nobody wonders yet why it does not work.
fn is_new(identity: &Identity, context: &Context) -> bool {
    let Some(made) = identity.creation_timestamp() else {
        return false;
    };
    let age = context.now().duration_since(made.0).unsigned_abs();
    age < context.config.timings.retry.1
}

/// Counts a failed step: how long to wait before it is tried again.
fn waits(
    identity: &Identity,
    context: &Context,
    memory: &mut Memory,
    change: &Change,
    failure: &Failure,
) -> Duration {
    let timings = &context.config.timings;
    context.metrics.step(step::name(change), failure.reason);
    // Nothing has gone wrong with who only waits for a turn, which it must not miss.
    if !matches!(failure.retry, Retry::Turn(_)) {
        memory.failed(change);
    }
    let wait = match failure.retry {
        Retry::Turn(turn) => turn,
        Retry::Soon(at_least) => timings
            .backoff(memory.failures, &identity.uid().unwrap_or_default())
            .max(at_least),
        Retry::Slowly => timings.refused,
        Retry::Rarely => timings.rarely(memory.failures, &identity.uid().unwrap_or_default()),
    };
    memory.refused = failure.retry.needs_a_person().then(|| {
        let rules = context.rules.current();
        Asked::of(identity, rules.as_deref())
    });
    memory.not_before = Some(Instant::now() + wait);
    wait
}

/// The failure in the words in which the condition gives it already, where only an id of Google's is another one: what is the
/// same is said once.
fn as_said_before(identity: &Identity, change: &Change, failure: Failure) -> Failure {
    let status = identity.status.as_ref();
    let said = status.and_then(|status| get(&status.conditions, conditions::condition(change)));
    let same = said.filter(|said| {
        said.status == Status::False.as_str()
            && said.reason == failure.reason
            && failure.says_the_same_as(&said.message)
    });
    match same {
        Some(said) => Failure {
            message: said.message.clone(),
            changing_id: None,
            ..failure
        },
        None => failure,
    }
}

/// Says in the conditions and in an Event why a step failed, and comes back later.
pub(super) async fn fail(
    identity: &Identity,
    context: &Context,
    memory: &mut Memory,
    change: &Change,
    failure: Failure,
) -> Result<Action, Error> {
    // First: what is overdue is tried slowly.
    let failure = step::overdue(identity, context, change, failure);
    let failure = as_said_before(identity, change, failure);
    let wait = waits(identity, context, memory, change, &failure);
    // An identity that works goes on working while nobody can be asked about it.
    let works = conditions::works(identity);
    let revoked = failure.revokes;
    let breaks = failure.breaks || (revoked && memory.doubts());
    if works && !breaks {
        warn!(name = %identity.name_any(), message = %failure.message, "an identity could not be looked at for drift");
        // A look that Google refused goes on until it is believed.
        if !revoked {
            memory.finished(context.config.timings.resync);
        }
        return Ok(Action::requeue(wait));
    }
    let written = write(identity, context, &[failure.finding(change)]).await?;
    if written.status != identity.status {
        let (name, reason, message) = (identity.name_any(), failure.reason, &failure.message);
        warn!(%name, user = %identity.spec.user, ?change, reason, %message, wait_ms = wait.as_millis(), "step failed");
        let about = identity.object_ref(&());
        context
            .events
            .warning(&about, step::name(change), failure.reason, &failure.message)
            .await;
    }
    Ok(Action::requeue(wait))
}

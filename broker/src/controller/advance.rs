//! One Identity, one step further: look, plan, do the first change, write down how it went.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt};
use namesake_api::conditions::{Status, get};
use namesake_api::names::{EXCLUSIVE, SERVICE_ACCOUNT_READY};
use namesake_api::{Identity, IdentitySpec, IdentityStatus, Phase};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::memory::Memory;
use super::{Context, Error, course, step};
use crate::conditions::{self, Finding};
use crate::config::Timings;
use crate::failure::{Failure, Retry};
use crate::plan::{self, Aim, Change, Desired, plan};
use crate::{derive, schedule, status, verify, written};

/// As much of what a user who has left still has is listed in the status.
const LEFT: usize = 20;

/// Brings an Identity of ours further; those of another cluster, or in a namespace that is not opted in or going away, are left as they are.
pub(super) async fn apply(identity: &Identity, context: &Context) -> Result<Action, Error> {
    let Some(rules) = context.rules.current() else {
        return Ok(Action::requeue(context.config.timings.retry.1));
    };
    let namespace = identity.namespace().unwrap_or_default();
    let here = context.namespaces.opted_in(&namespace, rules.stack());
    if !here || rules.cluster() != identity.spec.cluster {
        debug!(name = %identity.name_any(), %namespace, "an Identity elsewhere is left alone");
        return Ok(Action::requeue(context.config.timings.resync));
    }
    if !derive::is_derived(identity) {
        let why = "the name is not the one that the spec derives: delete this Identity; the broker makes them, not people";
        let finding = Finding::fails(SERVICE_ACCOUNT_READY, "Invalid", why);
        let written = write(identity, context, &[finding]).await?;
        if written.status != identity.status {
            let about = identity.object_ref(&());
            context
                .events
                .warning(&about, "Derive", "Invalid", why)
                .await;
        }
        return Ok(Action::await_change());
    }
    let mut memory = context.memories.of(identity);
    let moment = context.config.timings.retry.0;
    if let Some(wait) = memory.leaves_to_api(identity, moment, Instant::now()) {
        context.memories.keep(identity, memory);
        return Ok(Action::requeue(wait));
    }
    if let Some(action) = course::set(identity, context, &rules).await? {
        return Ok(action);
    }
    let aim = course::aim(identity, context);
    if aim == Aim::Nothing {
        return Ok(Action::requeue(context.config.timings.resync));
    }
    // Its gates ask for it when the accounts of its namespace are listed: until then, a read of each would be needed.
    let works = conditions::works(identity) && !memory.looking;
    if works && aim == Aim::Serve && !context.accounts.are_listed(&namespace) {
        let (within, seed) = (context.config.timings.retry.1, identity.uid());
        let wait = Timings::first_look(within, &seed.unwrap_or_default());
        return Ok(Action::requeue(within + wait));
    }
    let action = advance(identity, context, &mut memory, aim).await;
    context.memories.keep(identity, memory);
    action
}

/// Does the first change of the plan, unless it is too early, and writes down how far the identity is.
async fn advance(
    identity: &Identity,
    context: &Context,
    memory: &mut Memory,
    aim: Aim,
) -> Result<Action, Error> {
    let desired = Desired::of(&identity.spec).towards(aim);
    let account = match step::look(identity, context, memory.looking).await {
        Ok(account) => account,
        Err(failure) => {
            return fail(
                identity,
                context,
                memory,
                &Change::RepairServiceAccount,
                failure,
            )
            .await;
        }
    };
    let status = identity.status.clone().unwrap_or_default();
    let observed = memory.observed(identity, &status, account, &desired);
    let changes = plan(&desired, &observed);
    let Some(change) = changes.first() else {
        return finish(identity, context, memory, aim).await;
    };
    let early = memory
        .not_before
        .map(|at| at.saturating_duration_since(Instant::now()));
    match early.filter(|wait| !wait.is_zero() && !step::in_cluster(change)) {
        Some(wait) => Ok(Action::requeue(wait)),
        None => take(identity, context, memory, (aim, account), change).await,
    }
}

/// Takes one step and writes down what came of it.
async fn take(
    identity: &Identity,
    context: &Context,
    memory: &mut Memory,
    (aim, account): (Aim, plan::ServiceAccount),
    change: &Change,
) -> Result<Action, Error> {
    let timings = &context.config.timings;
    // Its turn may be long in coming, when many are proven at once: that is no fault of the step.
    let turn = match change {
        Change::Prove | Change::ProveAgain => Some(context.proofs.turn().await),
        _ => None,
    };
    let step = step::take(identity, context, change, memory.proves_last());
    let taken = tokio::time::timeout(timings.step, step).await;
    drop(turn);
    let late = || {
        let why = "the step took too long and was given up: it is tried again";
        Err(Failure::passing("Timeout", why))
    };
    let done = match taken.unwrap_or_else(|_| late()) {
        Ok(done) => done,
        Err(failure) => return fail(identity, context, memory, change, failure).await,
    };
    context.metrics.step(step::name(change), "ok");
    debug!(name = %identity.name_any(), ?change, repaired = done.repaired, "step done");
    if done.again.is_none() {
        memory.did(change, done.repaired);
    }
    let account = done.service_account.unwrap_or(account);
    let now = context.now();
    // As long as it may be, in case that the status cannot be written.
    let longest = done
        .again
        .unwrap_or_else(|| step::pause(change, Some(change), timings));
    memory.not_before = Some(Instant::now() + longest);
    let settle = |seen: &Identity, status: &mut IdentityStatus| {
        settle(seen, status, &done, memory, (aim, account), now)
    };
    let settled = update(identity, context, settle).await?;
    let wait = done.again.unwrap_or_else(|| {
        let status = settled.status.clone().unwrap_or_default();
        let desired = Desired::of(&settled.spec).towards(aim);
        let left = plan(
            &desired,
            &memory.observed(&settled, &status, account, &desired),
        );
        step::pause(change, left.first(), timings)
    });
    memory.not_before = Some(Instant::now() + wait);
    say_drift(identity, context, change, &done, &settled).await;
    if settled.is_ready() && !identity.is_ready() {
        info!(name = %identity.name_any(), user = %identity.spec.user, "identity works");
        let about = identity.object_ref(&());
        context
            .events
            .normal(&about, "Prove", "Ready", "the identity works")
            .await;
    }
    Ok(Action::requeue(wait))
}

/// Says in Events what of an identity that worked was put back, and who else came into its policy.
async fn say_drift(
    identity: &Identity,
    context: &Context,
    change: &Change,
    done: &step::Done,
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
            .warning(&about, what, "Repaired", &note)
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

/// What the status says after a step: what it learned, and what is left of the plan. Pure.
pub(super) fn settle(
    seen: &Identity,
    status: &mut IdentityStatus,
    done: &step::Done,
    memory: &Memory,
    (aim, account): (Aim, plan::ServiceAccount),
    now: Timestamp,
) -> bool {
    let before = status.clone();
    let (generation, mode) = (seen.metadata.generation, seen.spec.mode);
    learn(seen, status, done, now);
    if !memory.is_quiet() {
        conditions::record(status, generation, mode, &done.findings, now);
        let desired = Desired::of(&seen.spec).towards(aim);
        let left = plan(&desired, &memory.observed(seen, status, account, &desired));
        let mut progress = conditions::progress(aim, &left);
        // Looking again undoes nothing that holds, unless it has found something missing: the deadline counts from when it held.
        if memory.looking && !done.repaired {
            progress.retain(|p| {
                p.status == Status::True || !conditions::holds(status, generation, p.condition)
            });
        }
        conditions::record(status, generation, mode, &progress, now);
    }
    if let Some(exclusive) = &done.exclusive {
        conditions::record(
            status,
            generation,
            mode,
            std::slice::from_ref(exclusive),
            now,
        );
    }
    *status != before
}

/// What a step has learned, beside conditions.
fn learn(seen: &Identity, status: &mut IdentityStatus, done: &step::Done, now: Timestamp) {
    if let Some(uid) = &done.service_account_uid {
        conditions::service_account(seen, status, uid, now);
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

/// An identity that works: nothing to do until it is looked at again for drift.
async fn finish(
    identity: &Identity,
    context: &Context,
    memory: &mut Memory,
    aim: Aim,
) -> Result<Action, Error> {
    write(identity, context, &conditions::progress(aim, &[])).await?;
    if aim == (Aim::Leave { delete: true }) {
        course::move_to(identity, context, Phase::Gone).await?;
    }
    Ok(Action::requeue(next_look(identity, context, memory)))
}

/// Agrees on the next look for drift, and begins it when it is due and there is a turn for it. Returns when to come back: by
/// `resync` in any case, because phases follow the clock.
fn next_look(identity: &Identity, context: &Context, memory: &mut Memory) -> Duration {
    let timings = &context.config.timings;
    let reads = reads(&identity.spec);
    let known = context.metrics.known_identities();
    let period = schedule::period(timings.resync, known, reads, context.looks.rate());
    // After a start the looks of all identities are spread; later each keeps its own rhythm.
    let next = if memory.looking {
        period
    } else {
        Timings::first_look(period, &identity.uid().unwrap_or_default())
    };
    memory.finished(next);
    let now = Instant::now();
    let due = memory.next_look.filter(|due| *due > now);
    let mut wait = due.map_or(Duration::ZERO, |due| due - now);
    if wait.is_zero() && !memory.reserved {
        wait = context.looks.turn(reads, now);
        memory.reserve(wait);
    }
    if wait.is_zero() {
        memory.look_again();
    }
    wait.clamp(Duration::from_millis(1), timings.resync)
}

/// What one look costs at Google: the account and its policy; a policy for each grant at most; and its proof, which is a token
/// and a question for each grant.
fn reads(spec: &IdentitySpec) -> u32 {
    let grants = u32::try_from(spec.grants.len()).unwrap_or(u32::MAX);
    grants.saturating_mul(2).saturating_add(3)
}

/// Writes findings about this generation of an Identity.
pub(super) async fn write(
    identity: &Identity,
    context: &Context,
    findings: &[Finding],
) -> Result<Identity, Error> {
    let now = context.now();
    let generation = identity.metadata.generation;
    let record = |seen: &Identity, status: &mut IdentityStatus| {
        seen.metadata.generation == generation
            && conditions::record(status, generation, seen.spec.mode, findings, now)
    };
    update(identity, context, record).await
}

/// Writes a status.
pub(super) async fn update(
    identity: &Identity,
    context: &Context,
    change: impl Fn(&Identity, &mut IdentityStatus) -> bool,
) -> Result<Identity, Error> {
    let written = status::update(&context.client, identity, change).await;
    written.map_err(|source| Error::Kube {
        what: "the status of an Identity",
        source,
    })
}

/// Says in the conditions and in an Event why a step failed, and comes back later.
async fn fail(
    identity: &Identity,
    context: &Context,
    memory: &mut Memory,
    change: &Change,
    failure: Failure,
) -> Result<Action, Error> {
    let timings = &context.config.timings;
    // First: what is overdue is tried slowly.
    let failure = step::overdue(identity, context, change, failure);
    context.metrics.step(step::name(change), failure.reason);
    memory.failed(change);
    let wait = match failure.retry {
        Retry::Soon(at_least) => timings
            .backoff(memory.failures, &identity.uid().unwrap_or_default())
            .max(at_least),
        Retry::Slowly => timings.refused,
    };
    memory.not_before = Some(Instant::now() + wait);
    // An identity that works goes on working while nobody can be asked about it.
    let works = conditions::works(identity);
    let revoked = verify::is_revoked(&failure);
    let breaks = failure.breaks || (revoked && memory.doubts());
    if works && !breaks {
        warn!(name = %identity.name_any(), message = %failure.message, "an identity could not be looked at for drift");
        // A look that Google refused goes on until it is believed.
        if !revoked {
            memory.finished(timings.resync);
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

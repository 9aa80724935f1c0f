//! One Identity, further: look, plan, do what has not to wait, write down how it went.

use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt};
use namesake_api::names::SERVICE_ACCOUNT_READY;
use namesake_api::{Identity, IdentitySpec, IdentityStatus, Phase};
use tokio::time::Instant;
use tracing::debug;

use super::memory::Memory;
use super::run_step::{Way, fail};
use super::{Context, Error, phase_change, step};
use crate::google::drift_budget;
use crate::google::written;
use crate::identity::conditions::{self, Finding};
use crate::identity::derive;
use crate::identity::objects;
use crate::identity::plan::{Aim, Change};
use crate::identity::reason::ConditionReason;
use crate::identity::retry::Asked;
use crate::identity::status;
use crate::server::config::Timings;

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
        let finding = Finding::fails(SERVICE_ACCOUNT_READY, ConditionReason::Invalid, why);
        let written = write(identity, context, &[finding]).await?;
        if written.status != identity.status {
            let about = identity.object_ref(&());
            context
                .events
                .warning(&about, "Derive", ConditionReason::Invalid.as_str(), why)
                .await;
        }
        return Ok(Action::await_change());
    }
    // The watch has not shown yet what we wrote last, and is about to.
    if context.memories.is_behind(identity) {
        return Ok(Action::requeue(context.config.timings.retry.0));
    }
    let mut memory = context.memories.of(identity);
    let moment = context.config.timings.retry.0;
    if memory.is_asked_again(&Asked::of(identity, Some(&rules))) {
        context.refused_creations.forget(moment, Instant::now());
    }
    let shown = || context.accounts.uid(&namespace, &identity.name_any());
    let made = || objects::is_alone(identity) && shown().is_some();
    if let Some(wait) = memory.leaves_to_api(identity, made, moment, Instant::now()) {
        context.memories.keep(identity, memory);
        return Ok(Action::requeue(wait));
    }
    if let Some(action) = phase_change::set(identity, context, &rules).await? {
        return Ok(action);
    }
    let aim = phase_change::aim(identity, context);
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

/// Does what the plan says, step by step, as long as none has to wait: a step is bounded, and so is this. Writes down how far
/// the identity is.
async fn advance(
    identity: &Identity,
    context: &Context,
    memory: &mut Memory,
    aim: Aim,
) -> Result<Action, Error> {
    let seen = match step::look(identity, context, memory.looking).await {
        Ok(seen) => seen,
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
    if let Some(uid) = &seen.learned {
        memory.learn(uid);
    }
    let until = Instant::now() + context.config.timings.step;
    let untold = std::mem::take(&mut memory.untold);
    let mut way = Way::of(identity.clone(), aim, seen, untold, context.now());
    let action = go(&mut way, context, memory, (aim, until)).await;
    memory.untold = way.leaves();
    action
}

/// Goes on until something has to wait, or it is `until`.
async fn go(
    way: &mut Way,
    context: &Context,
    memory: &mut Memory,
    (aim, until): (Aim, Instant),
) -> Result<Action, Error> {
    loop {
        let Some(change) = way.next(memory) else {
            way.tell(context, memory).await?;
            return finish(&way.identity, context, memory, aim).await;
        };
        let early = memory
            .not_before
            .map(|at| at.saturating_duration_since(Instant::now()));
        if let Some(wait) = early.filter(|wait| !wait.is_zero() && !step::in_cluster(&change)) {
            return Ok(Action::requeue(wait));
        }
        if let Some(action) = way.take(context, memory, &change, until).await? {
            return Ok(action);
        }
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
        phase_change::move_to(identity, context, Phase::Gone).await?;
    }
    Ok(Action::requeue(next_look(identity, context, memory)))
}

/// Agrees on the next look for drift, and begins it when it is due and there is a turn for it. Returns when to come back: by
/// `resync` in any case, because phases follow the clock.
fn next_look(identity: &Identity, context: &Context, memory: &mut Memory) -> Duration {
    let timings = &context.config.timings;
    let reads = reads(&identity.spec);
    let known = context.metrics.known_identities();
    let period = drift_budget::period(timings.resync, known, reads, context.looks.rate());
    // After a start the looks of all identities are spread; later each keeps its own rhythm.
    let next = if memory.looking {
        period
    } else {
        Timings::first_look(period, &identity.uid().unwrap_or_default())
    };
    // Something is left that Google keeps from us: perhaps it does not for long.
    let status = identity.status.as_ref();
    let is_left = status.is_some_and(|status| !written::stale(identity, status).is_empty());
    memory.finished(if is_left {
        next.min(timings.refused)
    } else {
        next
    });
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
    let written = written.map_err(|source| Error::Kube {
        what: "the status of an Identity",
        source,
    })?;
    context.memories.wrote(&written);
    Ok(written)
}

//! Reconciles one Identity that is not being deleted: observe, plan, do what need not wait, write down the outcome.

use kube::ResourceExt;
use kube::runtime::controller::Action;
use namesake_api::names::SERVICE_ACCOUNT_READY;
use namesake_api::{Identity, Phase};
use namesake_core::Reason;
use tokio::time::Instant;
use tracing::debug;

use super::memory::Memory;
use super::step_run::StepRun;
use super::step_run::failed::handle_failure;
use super::write::write_findings;
use super::{Result, drift_check, phase_change, step};
use crate::cluster::requests::namespace_and_name;
use crate::controllers::context::Context;
use crate::identity::derive;
use crate::identity::finding::Finding;
use crate::identity::objects;
use crate::identity::plan::Goal;
use crate::identity::plan::change::Change;
use crate::identity::progress::progress;
use crate::identity::retry_trigger::RetryTrigger;
use crate::server::config::Timings;

/// Reconciles an Identity of this installation. One of another cluster, or in a namespace that has not opted in or is being
/// deleted, is not touched.
pub(super) async fn apply(identity: &Identity, context: &Context) -> Result<Action> {
    let timings = &context.config.timings;
    let Some(rules) = context.rules.current() else {
        return Ok(Action::requeue(timings.retry.1));
    };
    let (namespace, name) = namespace_and_name(identity);
    let is_opted_in = context.namespaces.is_opted_in(&namespace, rules.stack());
    if !is_opted_in || rules.cluster() != identity.spec.cluster {
        debug!(%name, %namespace, "an Identity of another cluster, or without opt-in, is not touched");
        return Ok(Action::requeue(timings.resync));
    }
    if !derive::has_derived_name(identity) {
        return reject_name(identity, context).await;
    }
    // The watch does not show the last write yet, and is about to.
    if context.memories.is_outdated(identity) {
        return Ok(Action::requeue(timings.retry.0));
    }
    let mut memory = context.memories.get(identity);
    let (moment, now) = (timings.retry.0, Instant::now());
    if memory.retry_if_triggered(&RetryTrigger::of(identity, Some(&rules))) {
        context.refused_creations.forget(moment, now);
    }
    let is_created = || {
        objects::has_no_role_bindings(identity) && context.accounts.uid(&namespace, &name).is_some()
    };
    if let Some(wait) = memory.wait_for_api(identity, is_created, moment, now) {
        context.memories.put(identity, memory);
        return Ok(Action::requeue(wait));
    }
    if let Some(action) = phase_change::update(identity, context, &rules).await? {
        return Ok(action);
    }
    let goal = phase_change::goal(identity, context);
    if goal == Goal::Gone {
        return Ok(Action::requeue(timings.resync));
    }
    // When the KSAs of its namespace are listed, the gates request a reconcile; before that, each would have to be read.
    let works = identity.is_ready() && !memory.checking;
    if works && goal == Goal::Serve && !context.accounts.are_listed(&namespace) {
        let (longest, uid) = (timings.retry.1, identity.uid().unwrap_or_default());
        return Ok(Action::requeue(
            longest + Timings::first_check(longest, &uid),
        ));
    }
    let action = advance(identity, context, &mut memory, goal).await;
    context.memories.put(identity, memory);
    action
}

/// Reports an Identity that somebody wrote by hand under a wrong name.
async fn reject_name(identity: &Identity, context: &Context) -> Result<Action> {
    let why = "the name is not the one that the spec derives: delete this Identity; only the broker creates Identities";
    let finding = Finding::fails(SERVICE_ACCOUNT_READY, Reason::Invalid, why);
    let written = write_findings(identity, context, &[finding]).await?;
    if written.status != identity.status {
        context.warn(identity, "Derive", Reason::Invalid, why).await;
    }
    Ok(Action::await_change())
}

/// Runs the steps of the plan as long as none has to wait, and no longer than the timeout of a step.
async fn advance(
    identity: &Identity,
    context: &Context,
    memory: &mut Memory,
    goal: Goal,
) -> Result<Action> {
    let account = match step::account::observe(identity, context, memory.checking).await {
        Ok(account) => account,
        Err(failure) => {
            let change = Change::RepairServiceAccount;
            return handle_failure(identity, context, memory, &change, failure).await;
        }
    };
    if let Some(uid) = &account.unrecorded_uid {
        memory.observe_account(uid);
    }
    let until = Instant::now() + context.config.timings.step;
    let pending = std::mem::take(&mut memory.pending);
    let mut run = StepRun::new(identity.clone(), goal, account, pending, context.now());
    let action = run_steps(&mut run, context, memory, until).await;
    memory.pending = run.into_pending();
    action
}

/// Runs steps until one has to wait, or `until`.
async fn run_steps(
    run: &mut StepRun,
    context: &Context,
    memory: &mut Memory,
    until: Instant,
) -> Result<Action> {
    loop {
        let Some(change) = run.next(memory) else {
            run.flush_status(context, memory).await?;
            return finish(&run.identity, context, memory, run.goal).await;
        };
        let early = memory
            .not_before
            .map(|at| at.saturating_duration_since(Instant::now()));
        if let Some(wait) = early.filter(|wait| !wait.is_zero() && !change.is_in_cluster()) {
            return Ok(Action::requeue(wait));
        }
        if let Some(action) = run.run(context, memory, &change, until).await? {
            return Ok(action);
        }
    }
}

/// The goal is reached: nothing to do until the next drift check.
async fn finish(
    identity: &Identity,
    context: &Context,
    memory: &mut Memory,
    goal: Goal,
) -> Result<Action> {
    write_findings(identity, context, &progress(goal, &[])).await?;
    if goal == (Goal::Offboard { delete: true }) {
        phase_change::enter(identity, context, Phase::Gone).await?;
    }
    let wait = drift_check::schedule(identity, context, memory);
    Ok(Action::requeue(wait))
}

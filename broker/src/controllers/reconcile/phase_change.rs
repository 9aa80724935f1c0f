//! Spec and phase of an identity, as the rules and its use make them today. They are written before anything is done about them, so
//! that everybody sees what is coming, and a restart continues with it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt};
use namesake_api::{Identity, IdentitySpec, IdentityStatus, Phase};
use namesake_core::{Reason, Rules};
use tracing::info;

use super::write::update_status;
use super::{ReconcileError, Result};
use crate::cluster::ensure::{self, EnsureError};
use crate::cluster::requests::is_conflict;
use crate::controllers::context::Context;
use crate::identity::conditions;
use crate::identity::derive;
use crate::identity::phase::{self, Facts};
use crate::identity::plan::Goal;

/// Updates spec and phase. If something was written, returns when to reconcile again.
pub(super) async fn update(
    identity: &Identity,
    context: &Context,
    rules: &Rules,
) -> Result<Option<Action>> {
    let soon = Action::requeue(context.config.timings.retry.0);
    let derived = derive::rederive(rules, identity).ok();
    let phase = identity.phase();
    let is_wanted = derived.is_some();
    if let Some(spec) = derived.filter(|spec| *spec != identity.spec)
        && !matches!(phase, Phase::Offboarding | Phase::Gone)
    {
        update_spec(identity, context, &spec).await?;
        return Ok(Some(soon));
    }
    let next = next_phase(identity, context, rules, is_wanted);
    let follows = phase::follows_from_conditions;
    if next == phase || (follows(phase) && follows(next)) {
        return Ok(None);
    }
    enter(identity, context, next).await?;
    Ok(Some(soon))
}

async fn update_spec(identity: &Identity, context: &Context, spec: &IdentitySpec) -> Result<()> {
    info!(name = %identity.name_any(), "the rules derive another spec for an identity now");
    // Before the spec, so that nobody sees an identity that does not work in a phase in which it does, also if this broker ends now.
    let announced = leave_working_phase(identity, context).await?;
    match ensure::update_spec(&context.client, announced, spec).await {
        Ok(_) => {
            report_edit(identity, context).await;
            Ok(())
        }
        Err(EnsureError::Kube { source, .. }) if is_conflict(&source) => Ok(()),
        Err(error) => Err(ReconcileError::Step(error.to_string())),
    }
}

/// Sets the phase of an identity that works to that of one that is being verified.
async fn leave_working_phase(identity: &Identity, context: &Context) -> Result<Identity> {
    let now = context.now();
    let leave = |_: &Identity, status: &mut IdentityStatus| {
        let works = matches!(status.phase, Some(Phase::InUse | Phase::Idle));
        if works {
            phase::enter(status, Phase::Verifying, now);
        }
        works
    };
    update_status(identity, context, leave).await
}

/// Reports that a spec was restored which somebody had edited: it changed since it was last reconciled, and not by the rules.
async fn report_edit(identity: &Identity, context: &Context) {
    let status = identity.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation);
    if observed.is_some() && observed != identity.metadata.generation {
        let note = "the spec was edited and has been restored to what the rules derive: edit the rules instead";
        context.warn(identity, "Derive", Reason::Edited, note).await;
    }
}

fn next_phase(identity: &Identity, context: &Context, rules: &Rules, wanted: bool) -> Phase {
    let (config, now) = (&context.config, context.now());
    let life = rules.lifecycle(&identity.spec.class);
    let facts = Facts {
        user_status: rules.user_status(&identity.spec.user),
        suspended: identity.spec.suspended,
        wanted,
        last_use: phase::last_use(identity, life, config.timings.idle, now),
        recently_offboarded: phase::recently_offboarded(identity, config.offboarding_undo, now),
    };
    let status = identity.status.clone().unwrap_or_default();
    let progress = phase::progress(&status, identity.metadata.generation);
    phase::next(identity.phase(), progress, &facts)
}

/// Writes the phase, and reports it in an Event.
pub(super) async fn enter(identity: &Identity, context: &Context, phase: Phase) -> Result<()> {
    let now = context.now();
    let enter = |current: &Identity, status: &mut IdentityStatus| {
        let before = status.clone();
        phase::enter(status, phase, now);
        // The time that the user was away does not count as idle.
        if phase == Phase::Returning {
            status.last_used_time = Some(Time(now));
        }
        let generation = status.observed_generation;
        conditions::record(status, generation, current.spec.mode, &[], now);
        *status != before
    };
    update_status(identity, context, enter).await?;
    let (name, from) = (identity.name_any(), identity.phase());
    info!(%name, user = %identity.spec.user, %from, to = %phase, "identity enters another phase");
    let note = match phase::refusal(phase) {
        Some(why) => format!("from {from} to {phase}: {}", why.message),
        None => format!("from {from} to {phase}"),
    };
    let (events, about) = (&context.events, identity.object_ref(&()));
    events
        .normal(&about, "Move", Reason::PhaseChanged, &note)
        .await;
    Ok(())
}

/// The goal of the identity in its phase.
pub(super) fn goal(identity: &Identity, context: &Context) -> Goal {
    let age = phase::time_in_phase(identity, context.now());
    phase::goal(identity.phase(), age >= context.config.offboarding_grace)
}

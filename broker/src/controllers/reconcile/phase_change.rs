//! Where an identity is to go: what the rules make of it today, and the phase that follows. Written before anything is done
//! about it, so that everybody sees it coming, and a restart goes on with it.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt};
use namesake_api::{Identity, IdentityStatus, Phase};
use namesake_core::Rules;
use tracing::info;

use super::advance::update;
use super::{Context, Error};
use crate::cluster::ensure;
use crate::identity::conditions;
use crate::identity::derive;
use crate::identity::phase::{self, Facts};
use crate::identity::plan::Aim;
use crate::identity::reason::ConditionReason;

/// Sets the course of an identity. Returns what to do instead of going on, when something about it was written.
pub(super) async fn set(
    identity: &Identity,
    context: &Context,
    rules: &Rules,
) -> Result<Option<Action>, Error> {
    let soon = Action::requeue(context.config.timings.retry.0);
    let derived = derive::again(rules, identity).ok();
    let phase = identity.phase();
    if let Some(spec) = derived.as_ref().filter(|spec| **spec != identity.spec)
        && !matches!(phase, Phase::Offboarding | Phase::Gone)
    {
        info!(name = %identity.name_any(), "the rules make something else of an identity now");
        let written = ensure::spec(&context.client, identity.clone(), spec).await;
        return match written {
            Ok(_) => {
                say_edit(identity, context).await;
                Ok(Some(soon))
            }
            Err(ensure::Error::Kube { source, .. }) if ensure::is_conflict(&source) => {
                Ok(Some(soon))
            }
            Err(error) => Err(Error::Google(error.to_string())),
        };
    }
    let next = next(identity, context, rules, derived.is_some());
    if next == phase || (phase::is_followed(phase) && phase::is_followed(next)) {
        return Ok(None);
    }
    move_to(identity, context, next).await?;
    Ok(Some(soon))
}

/// Says that a spec was put back that changed since it was last looked at: the rules did not do that.
async fn say_edit(identity: &Identity, context: &Context) {
    let status = identity.status.as_ref();
    let seen = status.and_then(|status| status.observed_generation);
    if seen.is_some() && seen != identity.metadata.generation {
        let about = identity.object_ref(&());
        let note = "the spec was edited to what the rules do not make, and is as they make it again: edit the rules";
        context
            .events
            .warning(&about, "Derive", ConditionReason::Edited.as_str(), note)
            .await;
    }
}

fn next(identity: &Identity, context: &Context, rules: &Rules, wanted: bool) -> Phase {
    let idle = SignedDuration::try_from(context.config.timings.idle).unwrap_or(SignedDuration::MAX);
    let facts = Facts {
        standing: rules.user_status(&identity.spec.user),
        suspended: identity.spec.suspended,
        wanted,
        used: phase::used(
            identity,
            rules.lifecycle(&identity.spec.class),
            idle,
            context.now(),
        ),
        just_left: phase::just_left(identity, context.config.offboarding_undo, context.now()),
    };
    let status = identity.status.clone().unwrap_or_default();
    let working = phase::working(&status, identity.metadata.generation);
    phase::next(identity.phase(), working, &facts)
}

/// Writes the phase, and says so where people look.
pub(super) async fn move_to(
    identity: &Identity,
    context: &Context,
    phase: Phase,
) -> Result<(), Error> {
    let now = context.now();
    let enter = |seen: &Identity, status: &mut IdentityStatus| {
        let before = status.clone();
        phase::enter(status, phase, now);
        // The time away counts for nobody's idleness.
        if phase == Phase::Returning {
            status.last_used_time = Some(Time(now));
        }
        let generation = status.observed_generation;
        conditions::record(status, generation, seen.spec.mode, &[], now);
        *status != before
    };
    update(identity, context, enter).await?;
    let (name, from) = (identity.name_any(), identity.phase());
    info!(%name, user = %identity.spec.user, %from, to = %phase, "identity moves on");
    let note = match phase::refusal(phase) {
        Some(why) => format!("from {from} to {phase}: {}", why.message),
        None => format!("from {from} to {phase}"),
    };
    let about = identity.object_ref(&());
    context
        .events
        .normal(&about, "Move", phase.as_str(), &note)
        .await;
    Ok(())
}

/// What the identity comes to.
pub(super) fn aim(identity: &Identity, context: &Context) -> Aim {
    let grace = SignedDuration::try_from(context.config.offboarding_grace);
    let over = phase::since(identity, context.now()) >= grace.unwrap_or(SignedDuration::MAX);
    phase::aim(identity.phase(), over)
}

//! The life of an identity: where it goes next, by what is so. Pure; the plan says what that takes.
//!
//! ```text
//! Provisioning ─▶ Verifying ─▶ InUse ◀─▶ Idle ─▶ Draining ─▶ (deleted; the next use makes it anew)
//!        ▲  any of these ◀─▶ Suspended
//! Returning ◀─ Offboarding ─▶ Gone ─▶ Returning
//! ```

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use namesake_api::names::{BINDING_READY, READY};
use namesake_api::{Identity, IdentityStatus, Phase};
use namesake_core::{Lifecycle, UserStatus};

use crate::identity::conditions::{Finding, PARTS, holds};
use crate::identity::plan::Aim;
use crate::identity::reason::ConditionReason;

/// How long ago an identity was used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A moment ago, or not long enough to speak of.
    Recent,
    /// Long enough to say so.
    Idle,
    /// Longer than its class allows.
    TooLong,
}

/// What decides where an identity goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where its user stands in the rules.
    pub standing: UserStatus,
    /// Whether an admin has suspended it.
    pub suspended: bool,
    /// Whether the rules still make it.
    pub wanted: bool,
    /// How long ago it was used last.
    pub used: Use,
    /// Whether its user was put under `offboarded` so short a time ago that taking the entry back undoes it.
    pub just_left: bool,
}

/// Where an identity goes from `phase`; `working` is how far it is by its conditions.
#[must_use]
pub fn next(phase: Phase, working: Phase, facts: &Facts) -> Phase {
    let left = matches!(phase, Phase::Offboarding | Phase::Gone);
    match facts.standing {
        UserStatus::Offboarded if phase == Phase::Gone => return Phase::Gone,
        UserStatus::Offboarded => return Phase::Offboarding,
        // Taken off the list at once, the entry was a mistake. Later, whoever has the address may be somebody else.
        UserStatus::Active if left && !(phase == Phase::Offboarding && facts.just_left) => {
            return phase;
        }
        UserStatus::Active | UserStatus::Returned => {}
    }
    // Who comes back was away, not idle.
    let returning = left || phase == Phase::Returning;
    if facts.suspended {
        Phase::Suspended
    } else if !facts.wanted || (facts.used == Use::TooLong && !returning) {
        Phase::Draining
    } else if left {
        serving(Phase::Returning, working)
    } else if working == Phase::InUse && facts.used == Use::Idle {
        Phase::Idle
    } else {
        serving(phase, working)
    }
}

/// Where an identity that serves is when its conditions change: idle and returning end by what happens, not by a step.
fn serving(phase: Phase, working: Phase) -> Phase {
    match (phase, working) {
        (Phase::Returning, Phase::Provisioning | Phase::Verifying) => Phase::Returning,
        _ => working,
    }
}

/// How far an identity is that is to serve, by its conditions.
#[must_use]
pub fn working(status: &IdentityStatus, generation: Option<i64>) -> Phase {
    let held = |condition: &&str| holds(status, generation, condition);
    if PARTS.iter().all(held) {
        Phase::InUse
    } else if held(&BINDING_READY) {
        Phase::Verifying
    } else {
        Phase::Provisioning
    }
}

/// Whether steps bring an identity from and to this phase: their conditions say so, and nobody sets it.
#[must_use]
pub const fn is_followed(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Provisioning | Phase::Verifying | Phase::InUse | Phase::Returning
    )
}

/// Follows the conditions while an identity serves.
pub fn follow(status: &mut IdentityStatus, generation: Option<i64>, now: Timestamp) {
    let phase = status.phase.unwrap_or(Phase::Provisioning);
    if !phase.accepts_new_pods() {
        return;
    }
    let far = working(status, generation);
    let idle = phase == Phase::Idle && far == Phase::InUse;
    enter(status, if idle { phase } else { serving(phase, far) }, now);
}

/// Moves an identity; the time moves only when the phase does.
pub fn enter(status: &mut IdentityStatus, phase: Phase, now: Timestamp) {
    if status.phase != Some(phase) {
        status.phase = Some(phase);
        status.phase_time = Some(Time(now));
    }
}

/// What an identity in this phase comes to; `over`: the grace of somebody who left is over.
#[must_use]
pub const fn aim(phase: Phase, over: bool) -> Aim {
    match phase {
        Phase::Suspended => Aim::Rest,
        Phase::Draining => Aim::Drain,
        Phase::Offboarding => Aim::Leave { delete: over },
        Phase::Gone => Aim::Nothing,
        _ => Aim::Serve,
    }
}

/// When an identity was used last: by a pod, or by being made.
#[must_use]
pub fn last_use(identity: &Identity) -> Option<Timestamp> {
    let used = identity
        .status
        .as_ref()
        .and_then(|status| status.last_used_time.as_ref());
    let made = identity.metadata.creation_timestamp.as_ref();
    used.max(made).map(|time| time.0)
}

/// How long ago that was: `idle` is long enough to say so.
#[must_use]
pub fn used(
    identity: &Identity,
    life: Option<Lifecycle>,
    idle: SignedDuration,
    now: Timestamp,
) -> Use {
    let Some(last) = last_use(identity) else {
        return Use::Recent;
    };
    let unused = now.duration_since(last);
    let allowed = life.and_then(|life| life.idle_after);
    let allowed = allowed.and_then(|span| i64::try_from(span.as_secs()).ok());
    if allowed.is_some_and(|seconds| unused > SignedDuration::from_secs(seconds)) {
        Use::TooLong
    } else if unused > idle {
        Use::Idle
    } else {
        Use::Recent
    }
}

/// Since how long an identity is in its phase.
#[must_use]
pub fn since(identity: &Identity, now: Timestamp) -> SignedDuration {
    let status = identity.status.as_ref();
    let entered = status.and_then(|status| status.phase_time.as_ref());
    entered.map_or(SignedDuration::ZERO, |time| now.duration_since(time.0))
}

/// Whether its user was put under `offboarded` less than `undo` ago. Without a record of when, no.
#[must_use]
pub fn just_left(identity: &Identity, undo: Duration, now: Timestamp) -> bool {
    let status = identity.status.as_ref();
    let entered = status.and_then(|status| status.phase_time.as_ref());
    let undo = SignedDuration::try_from(undo).unwrap_or(SignedDuration::MAX);
    identity.phase() == Phase::Offboarding
        && entered.is_some_and(|entered| now.duration_since(entered.0) < undo)
}

/// Why an identity in this phase serves nobody; nothing when it serves.
#[must_use]
pub fn refusal(phase: Phase) -> Option<Finding> {
    let (reason, message) = match phase {
        Phase::Suspended => (
            ConditionReason::Suspended,
            "an admin has suspended this identity, and nobody acts as it: ask your admin, who takes spec.suspended away",
        ),
        Phase::Draining => (
            ConditionReason::Draining,
            "the rules no longer make this identity, or nobody has used it for as long as its class allows: it is taken down when its last pod is gone, and a pod that may have it brings it back",
        ),
        Phase::Offboarding => (
            ConditionReason::Offboarding,
            "the user of this identity has left, and it is being taken down: if that was a mistake, an admin takes the user off offboarded within NAMESAKE_OFFBOARDING_UNDO (10 minutes by default), and after that lists the same person under returned",
        ),
        Phase::Gone => (
            ConditionReason::Gone,
            "the user of this identity has left, and it is taken down; its name stays taken, so that nobody inherits it: an admin lists the same person under returned in the rules, and gives somebody else with the same address another user",
        ),
        _ => return None,
    };
    Some(Finding::fails(READY, reason, message))
}

#[cfg(test)]
mod tests;

//! The life of an identity: its next phase, from the facts. Pure; the plan says which steps that takes.
//!
//! ```text
//! Provisioning ─▶ Verifying ─▶ InUse ◀─▶ Idle ─▶ Draining ─▶ (deleted; created again when it is next used)
//!        ▲  any of these ◀─▶ Suspended
//! Returning ◀─ Offboarding ─▶ Gone ─▶ Returning
//! ```

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use namesake_api::conditions;
use namesake_api::names::{BINDING_READY, READY};
use namesake_api::{Identity, IdentityStatus, Phase};
use namesake_core::{Lifecycle, Reason, UserStatus};

use crate::identity::finding::{Finding, READY_PARTS, holds};
use crate::identity::plan::Goal;

/// A new identity has its first status within this time.
const FIRST_STATUS_WITHIN: Duration = Duration::from_secs(300);

/// How long ago an identity was last used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastUse {
    /// Recently.
    Recent,
    /// So long ago that its phase is `Idle`.
    Idle,
    /// Longer ago than its class allows.
    Expired,
}

/// What decides the next phase of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the rules say of its user.
    pub user_status: UserStatus,
    /// Whether an admin has suspended it.
    pub suspended: bool,
    /// Whether the rules still derive it.
    pub wanted: bool,
    /// How long ago it was last used.
    pub last_use: LastUse,
    /// Whether its user was offboarded so recently that removing the entry undoes it.
    pub recently_offboarded: bool,
}

/// The phase after `phase`. `progress` is the phase by its conditions.
#[must_use]
pub fn next(phase: Phase, progress: Phase, facts: &Facts) -> Phase {
    let offboarded = matches!(phase, Phase::Offboarding | Phase::Gone);
    match facts.user_status {
        UserStatus::Offboarded if phase == Phase::Gone => return Phase::Gone,
        UserStatus::Offboarded => return Phase::Offboarding,
        // An entry that is removed at once was a mistake. Later, whoever has the address may be somebody else.
        UserStatus::Active
            if offboarded && !(phase == Phase::Offboarding && facts.recently_offboarded) =>
        {
            return phase;
        }
        UserStatus::Active | UserStatus::Returned => {}
    }
    // The time that a returning user was away does not count as idle.
    let returning = offboarded || phase == Phase::Returning;
    if facts.suspended {
        Phase::Suspended
    } else if !facts.wanted || (facts.last_use == LastUse::Expired && !returning) {
        Phase::Draining
    } else if offboarded {
        serving(Phase::Returning, progress)
    } else if progress == Phase::InUse && facts.last_use == LastUse::Idle {
        Phase::Idle
    } else {
        serving(phase, progress)
    }
}

/// The phase of an identity that serves: `Returning` lasts until it works.
fn serving(phase: Phase, progress: Phase) -> Phase {
    match (phase, progress) {
        (Phase::Returning, Phase::Provisioning | Phase::Verifying) => Phase::Returning,
        _ => progress,
    }
}

/// The phase of an identity that is to serve, by its conditions.
#[must_use]
pub fn progress(status: &IdentityStatus, generation: Option<i64>) -> Phase {
    let holds = |condition: &&str| holds(status, generation, condition);
    if READY_PARTS.iter().all(holds) {
        Phase::InUse
    } else if holds(&BINDING_READY) {
        Phase::Verifying
    } else {
        Phase::Provisioning
    }
}

/// Whether the phase follows from the conditions, so that nobody has to set it.
#[must_use]
pub const fn follows_from_conditions(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Provisioning | Phase::Verifying | Phase::InUse | Phase::Returning
    )
}

/// Sets the phase of an identity that serves to what its conditions say.
pub fn follow_conditions(status: &mut IdentityStatus, generation: Option<i64>, now: Timestamp) {
    let phase = status.phase.unwrap_or(Phase::Provisioning);
    if !phase.accepts_new_pods() {
        return;
    }
    let progress = progress(status, generation);
    let stays_idle = phase == Phase::Idle && progress == Phase::InUse;
    let next = if stays_idle {
        phase
    } else {
        serving(phase, progress)
    };
    enter(status, next, now);
}

/// Sets the phase. Its time changes only when the phase does.
pub fn enter(status: &mut IdentityStatus, phase: Phase, now: Timestamp) {
    if status.phase != Some(phase) {
        status.phase = Some(phase);
        status.phase_time = Some(Time(now));
    }
}

/// The goal in this phase. `grace_over`: the grace period of an offboarded user is over.
#[must_use]
pub const fn goal(phase: Phase, grace_over: bool) -> Goal {
    match phase {
        Phase::Suspended => Goal::Suspend,
        Phase::Draining => Goal::Drain,
        Phase::Offboarding => Goal::Offboard { delete: grace_over },
        Phase::Gone => Goal::Gone,
        _ => Goal::Serve,
    }
}

/// When an identity was last used: by a pod, or by being created for one.
#[must_use]
pub fn last_used(identity: &Identity) -> Option<Timestamp> {
    let used = identity
        .status
        .as_ref()
        .and_then(|status| status.last_used_time.as_ref());
    let created = identity.metadata.creation_timestamp.as_ref();
    used.max(created).map(|time| time.0)
}

/// How long ago an identity was last used; after `idle` it counts as idle.
#[must_use]
pub fn last_use(
    identity: &Identity,
    life: Option<Lifecycle>,
    idle: Duration,
    now: Timestamp,
) -> LastUse {
    let Some(last) = last_used(identity) else {
        return LastUse::Recent;
    };
    let unused = elapsed(last, now);
    let allowed = life.and_then(|life| life.idle_after);
    if allowed.is_some_and(|allowed| unused > Duration::from_secs(allowed.as_secs())) {
        LastUse::Expired
    } else if unused > idle {
        LastUse::Idle
    } else {
        LastUse::Recent
    }
}

/// How long an identity has been in its phase.
#[must_use]
pub fn time_in_phase(identity: &Identity, now: Timestamp) -> Duration {
    entered(identity).map_or(Duration::ZERO, |entered| elapsed(entered, now))
}

/// The time from `since` to `now`. Zero if `since` is in the future: clocks of different machines differ.
#[must_use]
pub fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// How long an identity took from its creation until it works, which it does now; `before` is as it was until then. `None` if it
/// worked before.
#[must_use]
pub fn first_provisioning(before: &Identity, now: Timestamp) -> Option<Duration> {
    let created = before.metadata.creation_timestamp.as_ref()?.0;
    let status = before.status.as_ref();
    let ready = status.and_then(|status| conditions::get(&status.conditions, READY));
    // `Ready` is first written soon after the creation. If it changed later, the identity worked in between.
    let changed = ready
        .is_some_and(|ready| elapsed(created, ready.last_transition_time.0) > FIRST_STATUS_WITHIN);
    (!changed).then(|| elapsed(created, now))
}

fn entered(identity: &Identity) -> Option<Timestamp> {
    let status = identity.status.as_ref()?;
    status.phase_time.as_ref().map(|time| time.0)
}

/// Whether its user was offboarded less than `undo` ago. False if the status does not say when.
#[must_use]
pub fn recently_offboarded(identity: &Identity, undo: Duration, now: Timestamp) -> bool {
    identity.phase() == Phase::Offboarding
        && entered(identity).is_some_and(|entered| elapsed(entered, now) < undo)
}

/// Why an identity in this phase serves nobody; `None` if it serves.
#[must_use]
pub fn refusal(phase: Phase) -> Option<Finding> {
    let (reason, message) = match phase {
        Phase::Suspended => (
            Reason::Suspended,
            "an admin has suspended this identity, and nobody acts as it: ask the admin to remove spec.suspended",
        ),
        Phase::Draining => (
            Reason::Draining,
            "the rules do not derive this identity any more, or nobody has used it for as long as its class allows: it is deleted after its last pod, and the next pod that is entitled to it creates it again",
        ),
        Phase::Offboarding => (
            Reason::Offboarding,
            "the user of this identity is offboarded, and the identity is being removed: if that is a mistake, an admin removes the user from offboarded within NAMESAKE_OFFBOARDING_UNDO (10 minutes by default), or later lists the same person under returned",
        ),
        Phase::Gone => (
            Reason::Gone,
            "the user of this identity is offboarded, and the identity is removed; its name stays reserved, so that nobody inherits it: an admin lists the same person under returned in the rules, and gives another person with the same address another user",
        ),
        _ => return None,
    };
    Some(Finding::fails(READY, reason, message))
}

#[cfg(test)]
mod tests;

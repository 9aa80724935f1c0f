//! The conditions in an identity's status after a step: pure. `Ready` is always computed from the others.

use jiff::Timestamp;
use namesake_api::conditions::{self, ConditionUpdate, Status};
use namesake_api::names::{
    BINDING_READY, GOOGLE_ACCOUNT_READY, READY, SERVICE_ACCOUNT_READY, STALLED, VERIFIED,
};
use namesake_api::{Identity, IdentityStatus, Mode};
use namesake_core::Reason;

use crate::identity::finding::{
    Finding, READY_PARTS, holds, known_reason, with_code, without_code,
};
use crate::identity::phase;

/// Writes findings into a status and computes `Ready` and the phase. Returns whether anything changed.
pub fn record(
    status: &mut IdentityStatus,
    generation: Option<i64>,
    mode: Mode,
    findings: &[Finding],
    now: Timestamp,
) -> bool {
    let before = status.clone();
    for finding in findings {
        set(status, generation, finding, now);
    }
    if mode == Mode::Direct {
        let message = "mode direct needs no Google service account";
        let finding = Finding::holds(GOOGLE_ACCOUNT_READY, Reason::NotNeeded, message);
        set(status, generation, &finding, now);
    }
    let ready = ready(status, generation);
    set(status, generation, &ready, now);
    update_stalled(status, generation, &ready, now);
    phase::follow_conditions(status, generation, now);
    status.observed_generation = generation;
    *status != before
}

/// Sets `Stalled` after a pod gave up waiting for this identity, as long as the reason lasts. Returns whether anything changed.
pub fn stall(status: &mut IdentityStatus, generation: Option<i64>, now: Timestamp) -> bool {
    let before = status.clone();
    let ready = conditions::get(&status.conditions, READY).cloned();
    if let Some(ready) = ready.filter(|ready| ready.status == Status::False.as_str()) {
        let reason = known_reason(&ready.reason);
        if reason.is_lasting() {
            let stalled = Finding::holds(STALLED, reason, without_code(&ready));
            set(status, generation, &stalled, now);
        }
    }
    *status != before
}

/// An identity is not stalled if it works, or waits for something that may pass by itself.
fn update_stalled(
    status: &mut IdentityStatus,
    generation: Option<i64>,
    ready: &Finding,
    now: Timestamp,
) {
    if ready.status == Status::True || !ready.reason.is_lasting() {
        status
            .conditions
            .retain(|condition| condition.type_ != STALLED);
    } else if conditions::is_true(&status.conditions, STALLED) {
        stall(status, generation, now);
    }
}

/// Records that the KSA exists with this UID. If it had another UID, no verification of the old one counts any more.
pub fn record_service_account(
    identity: &Identity,
    status: &mut IdentityStatus,
    uid: &str,
    now: Timestamp,
) -> bool {
    let before = status.service_account_uid.replace(uid.to_owned());
    let is_same = before.as_deref() == Some(uid);
    let mut findings = vec![Finding::holds(
        SERVICE_ACCOUNT_READY,
        Reason::Created,
        "the service account exists",
    )];
    if before.is_some() && !is_same {
        let why =
            "the service account was created again: it is verified again before pods may use it";
        findings.push(Finding::fails(VERIFIED, Reason::Recreated, why));
        if identity.spec.mode == Mode::Direct {
            findings.push(Finding::fails(BINDING_READY, Reason::Recreated, why));
        }
    }
    let generation = identity.metadata.generation;
    record(status, generation, identity.spec.mode, &findings, now) || !is_same
}

/// Whether the GSA, which existed, was disabled the last time, or the last step on it failed. A GSA that was just created and
/// does not show up everywhere yet is not disabled.
#[must_use]
pub fn may_be_disabled(identity: &Identity) -> bool {
    let Some(status) = &identity.status else {
        return false;
    };
    let ready = conditions::get(&status.conditions, GOOGLE_ACCOUNT_READY);
    status.google_service_account_id.is_some()
        && ready.is_some_and(|ready| {
            ready.status == Status::False.as_str()
                && ready.reason != Reason::WaitingUntilVisible.as_str()
        })
}

fn ready(status: &IdentityStatus, generation: Option<i64>) -> Finding {
    if let Some(refusal) = status.phase.and_then(phase::refusal) {
        return refusal;
    }
    let missing = READY_PARTS
        .into_iter()
        .find(|part| !holds(status, generation, part));
    let Some(part) = missing else {
        return Finding::holds(READY, Reason::Verified, "the identity works");
    };
    let Some(condition) = conditions::get(&status.conditions, part) else {
        let message = format!("waiting for {part}");
        return Finding::fails(READY, Reason::Pending, message);
    };
    if condition.status == Status::True.as_str() {
        let message = format!("{part} is being checked again for the changed spec");
        return Finding::fails(READY, Reason::SpecChanged, message);
    }
    let reason = known_reason(&condition.reason);
    Finding::fails(READY, reason, without_code(condition))
}

fn set(status: &mut IdentityStatus, generation: Option<i64>, finding: &Finding, now: Timestamp) {
    let update = ConditionUpdate {
        type_: finding.condition,
        status: finding.status,
        reason: finding.reason.as_str(),
        message: &with_code(finding.reason, &finding.message),
        generation,
    };
    conditions::set(&mut status.conditions, &update, now);
}

#[cfg(test)]
mod tests;

//! What an identity's conditions say after a step: pure. `Ready` is computed from the others, never set by hand.

use std::borrow::Cow;

use jiff::Timestamp;
use namesake_api::conditions::{self, News, Status};
use namesake_api::names::{
    BINDING_READY, GOOGLE_ACCOUNT_READY, READY, SERVICE_ACCOUNT_READY, STALLED, VERIFIED,
};
use namesake_api::{Identity, IdentityStatus, Mode};

use crate::identity::phase;
use crate::identity::plan::{Aim, Change};
use crate::identity::reason::ConditionReason;

/// The conditions that make `Ready`, in the order in which they come true.
pub const PARTS: [&str; 4] = [
    SERVICE_ACCOUNT_READY,
    GOOGLE_ACCOUNT_READY,
    BINDING_READY,
    VERIFIED,
];

/// What a step found out about one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Type of the condition.
    pub condition: &'static str,
    /// Whether it holds.
    pub status: Status,
    /// CamelCase word for programs.
    pub reason: Cow<'static, str>,
    /// Sentence for people: what is so, and what to do.
    pub message: String,
}

impl Finding {
    /// The condition holds.
    #[must_use]
    pub fn holds(
        condition: &'static str,
        reason: ConditionReason,
        message: impl Into<String>,
    ) -> Self {
        Self {
            condition,
            status: Status::True,
            reason: reason.as_str().into(),
            message: message.into(),
        }
    }

    /// The condition does not hold.
    #[must_use]
    pub fn fails(
        condition: &'static str,
        reason: ConditionReason,
        message: impl Into<String>,
    ) -> Self {
        Self {
            condition,
            status: Status::False,
            reason: reason.as_str().into(),
            message: message.into(),
        }
    }
}

/// Writes findings into a status and computes `Ready`. Returns whether anything changed.
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
        let none = "mode direct needs no Google service account";
        set(
            status,
            generation,
            &Finding::holds(GOOGLE_ACCOUNT_READY, ConditionReason::NotNeeded, none),
            now,
        );
    }
    let ready = ready(status, generation);
    set(status, generation, &ready, now);
    update_stalled(status, generation, &ready, now);
    phase::follow(status, generation, now);
    status.observed_generation = generation;
    *status != before
}

/// A pod waited in vain for this identity: says so until the reason is another. Returns whether anything changed.
pub fn stall(status: &mut IdentityStatus, generation: Option<i64>, now: Timestamp) -> bool {
    let before = status.clone();
    let ready = conditions::get(&status.conditions, READY).cloned();
    if let Some(ready) = ready.filter(|ready| {
        ready.status == Status::False.as_str() && ConditionReason::is_lasting(&ready.reason)
    }) {
        let stalled = Finding {
            condition: STALLED,
            status: Status::True,
            reason: ready.reason.into(),
            message: ready.message,
        };
        set(status, generation, &stalled, now);
    }
    *status != before
}

/// An identity that works, or waits for something that passes by itself, is not stalled.
fn update_stalled(
    status: &mut IdentityStatus,
    generation: Option<i64>,
    ready: &Finding,
    now: Timestamp,
) {
    if ready.status == Status::True || !ConditionReason::is_lasting(&ready.reason) {
        status.conditions.retain(|c| c.type_ != STALLED);
    } else if conditions::is_true(&status.conditions, STALLED) {
        stall(status, generation, now);
    }
}

/// The KSA is there and has this UID. Another UID than before is another account: nothing proven of the old one counts.
pub fn service_account(
    identity: &Identity,
    status: &mut IdentityStatus,
    uid: &str,
    now: Timestamp,
) -> bool {
    let before = status.service_account_uid.replace(uid.to_owned());
    let same = before.as_deref() == Some(uid);
    let mut findings = vec![Finding::holds(
        SERVICE_ACCOUNT_READY,
        ConditionReason::Created,
        "the service account is there",
    )];
    if before.is_some() && !same {
        let why = "the service account was made anew: it is proven again before pods may use it";
        findings.push(Finding::fails(VERIFIED, ConditionReason::Recreated, why));
        if identity.spec.mode == Mode::Direct {
            findings.push(Finding::fails(
                BINDING_READY,
                ConditionReason::Recreated,
                why,
            ));
        }
    }
    let generation = identity.metadata.generation;
    record(status, generation, identity.spec.mode, &findings, now) || !same
}

/// What the conditions say while `changes` are still to do on the way to `aim`: computed from the plan, so that they cannot disagree with it.
#[must_use]
pub fn progress(aim: Aim, changes: &[Change]) -> Vec<Finding> {
    match aim {
        Aim::Serve => {}
        // Until its last pod is gone an identity works as before.
        Aim::Drain | Aim::Nothing => return Vec::new(),
        Aim::Rest | Aim::Leave { .. } => return down(aim, changes),
    }
    PARTS
        .into_iter()
        .map(|part| {
            changes
                .iter()
                .find_map(|c| pending(part, c))
                .unwrap_or_else(|| done(part))
        })
        .collect()
}

/// Why a GSA that was made just now does not count yet.
pub const UNSEEN: ConditionReason = ConditionReason::WaitingUntilVisible;

/// Whether its GSA, which was there, was disabled the last time, or what was done to it failed. One that was made and is not
/// shown everywhere yet is not.
#[must_use]
pub fn may_be_disabled(identity: &Identity) -> bool {
    let Some(status) = &identity.status else {
        return false;
    };
    let ready = conditions::get(&status.conditions, GOOGLE_ACCOUNT_READY);
    status.google_service_account_id.is_some()
        && ready.is_some_and(|ready| {
            ready.status == Status::False.as_str() && ready.reason != UNSEEN.as_str()
        })
}

/// What the conditions say of an identity that serves nobody any more.
fn down(aim: Aim, changes: &[Change]) -> Vec<Finding> {
    let left = |change: Change| changes.contains(&change);
    let binding = if left(Change::Unbind) {
        (
            ConditionReason::Unbinding,
            "it is about to be taken from the identity to act at Google",
        )
    } else {
        (
            ConditionReason::Unbound,
            "nobody acts as this identity at Google",
        )
    };
    let account = if left(Change::DisableGoogleAccount) {
        (
            ConditionReason::Disabling,
            "the Google service account is about to be disabled",
        )
    } else if aim == (Aim::Leave { delete: true }) && !left(Change::DeleteGoogleAccount) {
        (
            ConditionReason::Deleted,
            "the Google service account is deleted; Google can bring it back for 30 days",
        )
    } else {
        (
            ConditionReason::Disabled,
            "the Google service account is disabled",
        )
    };
    let mut findings = vec![
        Finding::fails(BINDING_READY, binding.0, binding.1),
        Finding::fails(GOOGLE_ACCOUNT_READY, account.0, account.1),
        Finding::fails(
            VERIFIED,
            ConditionReason::TakenDown,
            "there is nothing to prove",
        ),
    ];
    if aim != Aim::Rest {
        let pods = "the service account goes when its last pod is gone";
        let (reason, message) = if left(Change::DeleteServiceAccount) {
            (ConditionReason::Draining, pods)
        } else {
            (
                ConditionReason::Removed,
                "the service account and its RoleBindings are gone",
            )
        };
        findings.push(Finding::fails(SERVICE_ACCOUNT_READY, reason, message));
    }
    findings
}

/// What a condition says while this change, which brings it about, is still to do.
fn pending(part: &'static str, change: &Change) -> Option<Finding> {
    if condition(change) != part {
        return None;
    }
    let (reason, message) = match change {
        Change::CreateServiceAccount | Change::RepairServiceAccount => (
            ConditionReason::Pending,
            "the service account is about to be made or repaired",
        ),
        Change::FindGoogleAccount => (
            ConditionReason::Pending,
            "the Google service account is about to be made",
        ),
        Change::SeeGoogleAccount => (
            UNSEEN,
            "the Google service account was made; Google does not show it everywhere yet",
        ),
        Change::Record | Change::Bind | Change::Grant(_) => (
            ConditionReason::Pending,
            "the binding and the grants are about to be written",
        ),
        Change::Revoke | Change::DeleteGoogleAccount => (
            ConditionReason::Revoking,
            "what the rules no longer give is about to be taken back",
        ),
        Change::OwnServiceAccount
        | Change::Unbind
        | Change::DisableGoogleAccount
        | Change::Drain
        | Change::DeleteServiceAccount
        | Change::DeleteIdentity => return None,
        Change::Prove | Change::ProveAgain => (
            ConditionReason::Propagating,
            "Google is learning the binding and the grants: that takes 2 to 7 minutes",
        ),
    };
    Some(Finding::fails(part, reason, message))
}

fn done(part: &'static str) -> Finding {
    let (reason, message) = match part {
        SERVICE_ACCOUNT_READY => (ConditionReason::Created, "the service account is there"),
        GOOGLE_ACCOUNT_READY => (
            ConditionReason::Visible,
            "the Google service account is there",
        ),
        BINDING_READY => (
            ConditionReason::Bound,
            "the binding and the grants are written",
        ),
        _ => (
            ConditionReason::Verified,
            "the way of a pod to Google was gone several times",
        ),
    };
    Finding::holds(part, reason, message)
}

/// The condition that a change brings about.
#[must_use]
pub const fn condition(change: &Change) -> &'static str {
    match change {
        Change::CreateServiceAccount
        | Change::RepairServiceAccount
        | Change::OwnServiceAccount
        | Change::Drain
        | Change::DeleteServiceAccount
        | Change::DeleteIdentity => SERVICE_ACCOUNT_READY,
        Change::FindGoogleAccount | Change::SeeGoogleAccount | Change::DisableGoogleAccount => {
            GOOGLE_ACCOUNT_READY
        }
        Change::Record
        | Change::Bind
        | Change::Grant(_)
        | Change::Unbind
        | Change::Revoke
        | Change::DeleteGoogleAccount => BINDING_READY,
        Change::Prove | Change::ProveAgain => VERIFIED,
    }
}

/// Whether the condition holds for this generation of the spec; what was true of an older spec proves nothing.
#[must_use]
pub fn holds(status: &IdentityStatus, generation: Option<i64>, condition: &str) -> bool {
    conditions::get(&status.conditions, condition)
        .is_some_and(|c| c.status == Status::True.as_str() && c.observed_generation == generation)
}

/// Whether the identity is known to work, as its spec is now.
#[must_use]
pub fn works(identity: &namesake_api::Identity) -> bool {
    let status = identity.status.as_ref();
    status.is_some_and(|status| holds(status, identity.metadata.generation, READY))
}

fn ready(status: &IdentityStatus, generation: Option<i64>) -> Finding {
    if let Some(refusal) = status.phase.and_then(phase::refusal) {
        return refusal;
    }
    let missing = PARTS
        .into_iter()
        .find(|part| !holds(status, generation, part));
    let Some(part) = missing else {
        return Finding::holds(READY, ConditionReason::Verified, "the identity works");
    };
    let Some(why) = conditions::get(&status.conditions, part) else {
        return Finding::fails(
            READY,
            ConditionReason::Pending,
            format!("waiting for {part}"),
        );
    };
    if why.status == Status::True.as_str() {
        return Finding::fails(
            READY,
            ConditionReason::SpecChanged,
            format!("{part} is being checked again for the changed spec"),
        );
    }
    Finding {
        condition: READY,
        status: Status::False,
        reason: why.reason.clone().into(),
        message: why.message.clone(),
    }
}

fn set(status: &mut IdentityStatus, generation: Option<i64>, finding: &Finding, now: Timestamp) {
    let news = News {
        type_: finding.condition,
        status: finding.status,
        reason: &finding.reason,
        message: &finding.message,
        generation,
    };
    conditions::set(&mut status.conditions, &news, now);
}

#[cfg(test)]
mod tests;

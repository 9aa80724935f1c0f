//! What an identity's conditions say after a step: pure. `Ready` is computed from the others, never set by hand.

use std::borrow::Cow;

use jiff::Timestamp;
use namesake_api::conditions::{self, News, Status};
use namesake_api::names::{
    BINDING_READY, GOOGLE_ACCOUNT_READY, READY, SERVICE_ACCOUNT_READY, VERIFIED,
};
use namesake_api::{Identity, IdentityStatus, Mode};

use crate::plan::Change;

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
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            condition,
            status: Status::True,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// The condition does not hold.
    #[must_use]
    pub fn fails(
        condition: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            condition,
            status: Status::False,
            reason: reason.into(),
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
            &Finding::holds(GOOGLE_ACCOUNT_READY, "NotNeeded", none),
            now,
        );
    }
    let ready = ready(status, generation);
    set(status, generation, &ready, now);
    status.observed_generation = generation;
    *status != before
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
        "Created",
        "the service account is there",
    )];
    if before.is_some() && !same {
        let why = "the service account was made anew: it is proven again before pods may use it";
        findings.push(Finding::fails(VERIFIED, "Recreated", why));
        if identity.spec.mode == Mode::Direct {
            findings.push(Finding::fails(BINDING_READY, "Recreated", why));
        }
    }
    let generation = identity.metadata.generation;
    record(status, generation, identity.spec.mode, &findings, now) || !same
}

/// What the conditions say while `changes` are still to do: computed from the plan, so that they cannot disagree with it.
#[must_use]
pub fn progress(changes: &[Change]) -> Vec<Finding> {
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

/// What a condition says while this change, which brings it about, is still to do.
fn pending(part: &'static str, change: &Change) -> Option<Finding> {
    if condition(change) != part {
        return None;
    }
    let (reason, message) = match change {
        Change::CreateServiceAccount | Change::RepairServiceAccount => (
            "Pending",
            "the service account is about to be made or repaired",
        ),
        Change::FindGoogleAccount => ("Pending", "the Google service account is about to be made"),
        Change::SeeGoogleAccount => (
            "WaitingUntilVisible",
            "the Google service account was made; Google does not show it everywhere yet",
        ),
        Change::Bind | Change::Grant(_) => (
            "Pending",
            "the binding and the grants are about to be written",
        ),
        Change::Prove => (
            "Propagating",
            "Google is learning the binding and the grants: that takes 2 to 7 minutes",
        ),
    };
    Some(Finding::fails(part, reason, message))
}

fn done(part: &'static str) -> Finding {
    let (reason, message) = match part {
        SERVICE_ACCOUNT_READY => ("Created", "the service account is there"),
        GOOGLE_ACCOUNT_READY => ("Visible", "the Google service account is there"),
        BINDING_READY => ("Bound", "the binding and the grants are written"),
        _ => (
            "Verified",
            "the way of a pod to Google was gone several times",
        ),
    };
    Finding::holds(part, reason, message)
}

/// The condition that a change brings about.
#[must_use]
pub const fn condition(change: &Change) -> &'static str {
    match change {
        Change::CreateServiceAccount | Change::RepairServiceAccount => SERVICE_ACCOUNT_READY,
        Change::FindGoogleAccount | Change::SeeGoogleAccount => GOOGLE_ACCOUNT_READY,
        Change::Bind | Change::Grant(_) => BINDING_READY,
        Change::Prove => VERIFIED,
    }
}

/// Whether the condition holds for this generation of the spec; what was true of an older spec proves nothing.
#[must_use]
pub fn holds(status: &IdentityStatus, generation: Option<i64>, condition: &str) -> bool {
    conditions::get(&status.conditions, condition)
        .is_some_and(|c| c.status == Status::True.as_str() && c.observed_generation == generation)
}

fn ready(status: &IdentityStatus, generation: Option<i64>) -> Finding {
    let missing = PARTS
        .into_iter()
        .find(|part| !holds(status, generation, part));
    let Some(part) = missing else {
        return Finding::holds(READY, "Verified", "the identity works");
    };
    let Some(why) = conditions::get(&status.conditions, part) else {
        return Finding::fails(READY, "Pending", format!("waiting for {part}"));
    };
    if why.status == Status::True.as_str() {
        return Finding::fails(
            READY,
            "SpecChanged",
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
mod tests {
    use super::*;

    const GEN: Option<i64> = Some(1);

    fn now() -> Timestamp {
        Timestamp::from_second(1).unwrap()
    }

    fn all() -> Vec<Finding> {
        PARTS
            .into_iter()
            .map(|part| Finding::holds(part, "Done", ""))
            .collect()
    }

    fn ready_after(findings: &[Finding]) -> (String, String) {
        let mut status = IdentityStatus::default();
        record(&mut status, GEN, Mode::Impersonate, findings, now());
        let ready = conditions::get(&status.conditions, READY).unwrap();
        (ready.status.clone(), ready.reason.clone())
    }

    #[test]
    fn ready_needs_every_part() {
        assert_eq!(ready_after(&all()), ("True".into(), "Verified".into()));
        for part in PARTS {
            let mut some = all();
            some.retain(|f| f.condition != part);
            assert_eq!(
                ready_after(&some),
                ("False".into(), "Pending".into()),
                "{part}"
            );
        }
    }

    #[test]
    fn ready_says_why_the_first_part_fails() {
        let mut some = all();
        some.push(Finding::fails(VERIFIED, "Propagating", "later"));
        some.push(Finding::fails(GOOGLE_ACCOUNT_READY, "Conflict", "not ours"));
        assert_eq!(ready_after(&some), ("False".into(), "Conflict".into()));
    }

    #[test]
    fn what_held_for_an_older_spec_proves_nothing() {
        let mut status = IdentityStatus::default();
        record(&mut status, GEN, Mode::Impersonate, &all(), now());
        assert!(record(&mut status, Some(2), Mode::Impersonate, &[], now()));
        let ready = conditions::get(&status.conditions, READY).unwrap();
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str()),
            ("False", "SpecChanged")
        );
    }

    #[test]
    fn the_same_findings_again_change_nothing() {
        let mut status = IdentityStatus::default();
        assert!(record(&mut status, GEN, Mode::Impersonate, &all(), now()));
        let later = Timestamp::from_second(99).unwrap();
        assert!(!record(&mut status, GEN, Mode::Impersonate, &all(), later));
    }

    #[test]
    fn conditions_follow_what_is_left_of_the_plan() {
        let left = |changes: &[Change]| -> Vec<bool> {
            progress(changes)
                .into_iter()
                .map(|f| f.status == Status::True)
                .collect()
        };
        assert_eq!(left(&[]), [true, true, true, true]);
        assert_eq!(left(&[Change::Prove]), [true, true, true, false]);
        assert_eq!(
            left(&[Change::Bind, Change::Prove]),
            [true, true, false, false]
        );
        assert_eq!(
            left(&[Change::SeeGoogleAccount, Change::Bind]),
            [true, false, false, true]
        );
        assert_eq!(
            left(&[Change::CreateServiceAccount]),
            [false, true, true, true]
        );
    }

    #[test]
    fn another_account_under_the_name_has_to_be_proven_again() {
        let identity = crate::fixtures::identity();
        let mut status = IdentityStatus::default();
        assert!(service_account(&identity, &mut status, "u-1", now()));
        record(&mut status, GEN, Mode::Impersonate, &progress(&[]), now());
        assert!(!service_account(&identity, &mut status, "u-1", now()));
        assert!(conditions::is_true(&status.conditions, READY));
        assert!(service_account(&identity, &mut status, "u-2", now()));
        assert!(!conditions::is_true(&status.conditions, READY));
        assert_eq!(status.service_account_uid.as_deref(), Some("u-2"));
    }

    #[test]
    fn direct_mode_needs_no_google_account() {
        let mut status = IdentityStatus::default();
        let some: Vec<_> = all()
            .into_iter()
            .filter(|f| f.condition != GOOGLE_ACCOUNT_READY)
            .collect();
        record(&mut status, GEN, Mode::Direct, &some, now());
        assert!(conditions::is_true(&status.conditions, READY));
    }
}

use super::*;
use crate::identity::reason::ConditionReason;

const GEN: Option<i64> = Some(1);

fn now() -> Timestamp {
    Timestamp::from_second(1).unwrap()
}

fn all() -> Vec<Finding> {
    PARTS
        .into_iter()
        .map(|part| Finding::holds(part, ConditionReason::Created, ""))
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
    some.push(Finding::fails(
        VERIFIED,
        ConditionReason::Propagating,
        "later",
    ));
    some.push(Finding::fails(
        GOOGLE_ACCOUNT_READY,
        ConditionReason::Conflict,
        "not ours",
    ));
    assert_eq!(ready_after(&some), ("False".into(), "Conflict".into()));
}

#[test]
fn an_identity_is_stalled_once_a_pod_waited_in_vain_and_until_the_reason_is_another() {
    let denied = |why: &str| Finding::fails(BINDING_READY, ConditionReason::PermissionDenied, why);
    let said = |status: &IdentityStatus| {
        let stalled = conditions::get(&status.conditions, STALLED)?;
        Some(format!(
            "{} {}: {}",
            stalled.status, stalled.reason, stalled.message
        ))
    };
    let mut status = IdentityStatus::default();
    record(&mut status, GEN, Mode::Impersonate, &all(), now());
    assert!(!stall(&mut status, GEN, now()), "it works");
    let step = |status: &mut IdentityStatus, finding| {
        record(status, GEN, Mode::Impersonate, &[finding], now());
    };
    step(&mut status, denied("no"));
    assert_eq!(said(&status), None, "no pod has waited in vain");
    assert!(stall(&mut status, GEN, now()));
    assert_eq!(said(&status).unwrap(), "True PermissionDenied: no");
    step(&mut status, denied("still no"));
    assert_eq!(said(&status).unwrap(), "True PermissionDenied: still no");
    let pending = Finding::fails(BINDING_READY, ConditionReason::Pending, "");
    step(&mut status, pending);
    assert_eq!(said(&status), None);
    assert!(!stall(&mut status, GEN, now()), "this passes by itself");
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
        progress(Aim::Serve, changes)
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
    record(
        &mut status,
        GEN,
        Mode::Impersonate,
        &progress(Aim::Serve, &[]),
        now(),
    );
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

#[test]
fn a_phase_that_serves_nobody_is_why_it_is_not_ready() {
    let mut status = IdentityStatus::default();
    record(&mut status, GEN, Mode::Impersonate, &all(), now());
    assert_eq!(status.phase, Some(namesake_api::Phase::InUse));
    status.phase = Some(namesake_api::Phase::Suspended);
    record(&mut status, GEN, Mode::Impersonate, &[], now());
    let ready = conditions::get(&status.conditions, READY).unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "Suspended")
    );
}

#[test]
fn what_is_taken_down_says_how_far_and_has_to_be_proven_again() {
    let said = |aim, changes: &[Change]| -> Vec<String> {
        let findings = progress(aim, changes);
        assert!(findings.iter().all(|f| f.status == Status::False));
        findings
            .into_iter()
            .map(|f| f.reason.into_owned())
            .collect()
    };
    let rest = [Change::Unbind, Change::DisableGoogleAccount];
    assert_eq!(
        said(Aim::Rest, &rest),
        ["Unbinding", "Disabling", "TakenDown"]
    );
    assert_eq!(said(Aim::Rest, &[]), ["Unbound", "Disabled", "TakenDown"]);
    let leave = Aim::Leave { delete: true };
    assert_eq!(
        said(leave, &[]),
        ["Unbound", "Deleted", "TakenDown", "Removed"]
    );
    assert_eq!(progress(Aim::Drain, &[Change::Drain]), []);
}

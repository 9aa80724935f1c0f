use super::*;
use crate::identity::plan::Goal;
use crate::identity::progress::progress;

const GEN: Option<i64> = Some(1);

fn now() -> Timestamp {
    Timestamp::from_second(1).unwrap()
}

fn all() -> Vec<Finding> {
    READY_PARTS
        .into_iter()
        .map(|part| Finding::holds(part, Reason::Created, ""))
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
    for part in READY_PARTS {
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
    some.push(Finding::fails(VERIFIED, Reason::Propagating, "later"));
    some.push(Finding::fails(
        GOOGLE_ACCOUNT_READY,
        Reason::Conflict,
        "not ours",
    ));
    assert_eq!(ready_after(&some), ("False".into(), "Conflict".into()));
}

#[test]
fn an_identity_is_stalled_after_a_pod_gave_up_and_while_the_reason_lasts() {
    let denied = |why: &str| Finding::fails(BINDING_READY, Reason::PermissionDenied, why);
    let stalled = |status: &IdentityStatus| {
        let condition = conditions::get(&status.conditions, STALLED)?;
        Some(format!(
            "{} {}: {}",
            condition.status, condition.reason, condition.message
        ))
    };
    let mut status = IdentityStatus::default();
    record(&mut status, GEN, Mode::Impersonate, &all(), now());
    assert!(!stall(&mut status, GEN, now()), "it works");
    let step = |status: &mut IdentityStatus, finding| {
        record(status, GEN, Mode::Impersonate, &[finding], now());
    };
    step(&mut status, denied("no"));
    assert_eq!(stalled(&status), None, "no pod has given up");
    assert!(stall(&mut status, GEN, now()));
    assert_eq!(
        stalled(&status).unwrap(),
        "True PermissionDenied: no (NS2201)"
    );
    step(&mut status, denied("still no"));
    assert_eq!(
        stalled(&status).unwrap(),
        "True PermissionDenied: still no (NS2201)"
    );
    let pending = Finding::fails(BINDING_READY, Reason::Pending, "");
    step(&mut status, pending);
    assert_eq!(stalled(&status), None);
    assert!(!stall(&mut status, GEN, now()), "this passes by itself");
}

#[test]
fn conditions_of_an_older_spec_prove_nothing() {
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
fn another_ksa_of_the_same_name_has_to_be_verified() {
    let identity = crate::fixtures::identity();
    let mut status = IdentityStatus::default();
    assert!(record_service_account(&identity, &mut status, "u-1", now()));
    record(
        &mut status,
        GEN,
        Mode::Impersonate,
        &progress(Goal::Serve, &[]),
        now(),
    );
    assert!(!record_service_account(
        &identity,
        &mut status,
        "u-1",
        now()
    ));
    assert!(conditions::is_true(&status.conditions, READY));
    assert!(record_service_account(&identity, &mut status, "u-2", now()));
    assert!(!conditions::is_true(&status.conditions, READY));
    assert_eq!(status.service_account_uid.as_deref(), Some("u-2"));
}

#[test]
fn mode_direct_needs_no_google_account() {
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

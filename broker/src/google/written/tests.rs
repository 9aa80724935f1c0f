use super::*;
use crate::fixtures;

fn members() -> Members {
    let identity = fixtures::identity();
    let email = identity.spec.google_service_account.as_deref().unwrap();
    Members {
        binding: Some(principal::binding(&identity)),
        grantee: format!("serviceAccount:{email}"),
    }
}

fn direct(uid: &str) -> Members {
    Members {
        binding: None,
        grantee: principal::by_uid("123", "acme", uid),
    }
}

fn recorded() -> (Identity, IdentityStatus) {
    let identity = fixtures::identity();
    let mut status = IdentityStatus {
        service_account_uid: Some("u-1".into()),
        ..IdentityStatus::default()
    };
    assert!(!is_complete(&identity, &status));
    assert!(record(&identity, &mut status, &members()));
    (identity, status)
}

#[test]
fn what_is_asked_for_is_recorded_once_and_is_not_stale() {
    let (identity, mut status) = recorded();
    assert!(!record(&identity, &mut status, &members()));
    assert!(is_complete(&identity, &status));
    assert_eq!(stale(&identity, &status), []);
    assert_eq!((bindings(&status).len(), grants(&status).len()), (1, 1));
}

#[test]
fn a_grant_that_the_rules_dropped_is_stale_until_it_is_taken_back() {
    let (mut identity, mut status) = recorded();
    let dropped = identity.spec.grants.remove(0);
    let old = stale(&identity, &status);
    assert_eq!(old.len(), 1);
    assert_eq!(Some(&old[0].resource), plan::resource(&dropped).as_ref());
    forget(&mut status, &old);
    assert_eq!(stale(&identity, &status), []);
    assert_eq!(bindings(&status).len(), 1);
}

#[test]
fn in_another_mode_everything_written_before_is_stale() {
    let (mut identity, mut status) = recorded();
    identity.spec.mode = Mode::Direct;
    identity.spec.google_service_account = None;
    assert!(!is_complete(&identity, &status));
    assert_eq!(stale(&identity, &status), all(&status));
    record(&identity, &mut status, &direct("u-1"));
    assert!(is_complete(&identity, &status));
    assert_eq!(stale(&identity, &status).len(), 2);
}

#[test]
fn what_a_service_account_had_that_is_gone_is_stale() {
    let (mut identity, _) = recorded();
    identity.spec.mode = Mode::Direct;
    identity.spec.google_service_account = None;
    let mut status = IdentityStatus {
        service_account_uid: Some("u-1".into()),
        ..IdentityStatus::default()
    };
    record(&identity, &mut status, &direct("u-1"));
    assert_eq!(stale(&identity, &status), []);
    status.service_account_uid = Some("u-2".into());
    assert_eq!(stale(&identity, &status).len(), 1);
    status.service_account_uid = None;
    assert_eq!(stale(&identity, &status).len(), 1);
}

#[test]
fn a_binding_by_name_is_stale_when_the_class_binds_by_uid() {
    let (mut identity, mut status) = recorded();
    identity.spec.bind_by = BindBy::Uid;
    assert_eq!(stale(&identity, &status), bindings(&status));
    let by_uid = Members {
        binding: Some(principal::by_uid("123", "acme", "u-1")),
        ..members()
    };
    record(&identity, &mut status, &by_uid);
    assert!(is_complete(&identity, &status));
    assert_eq!(stale(&identity, &status).len(), 1);
}

#[test]
fn of_a_pinned_account_the_binding_alone_is_asked_for() {
    let mut identity = fixtures::identity();
    identity.spec.pinned = true;
    let mut status = IdentityStatus::default();
    record(&identity, &mut status, &members());
    assert_eq!((bindings(&status).len(), grants(&status).len()), (1, 0));
    assert!(is_complete(&identity, &status));
}

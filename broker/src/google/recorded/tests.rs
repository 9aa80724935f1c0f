use super::*;
use crate::fixtures;

fn members() -> Members {
    let identity = fixtures::identity();
    let email = identity.spec.google_service_account.as_deref().unwrap();
    Members {
        binding: Some(principal::member_by_name(&identity)),
        grantee: format!("serviceAccount:{email}"),
    }
}

fn direct(uid: &str) -> Members {
    Members {
        binding: None,
        grantee: principal::member_by_uid("123", "acme", uid),
    }
}

fn recorded() -> (Identity, IdentityStatus) {
    let identity = fixtures::identity();
    let mut status = IdentityStatus {
        service_account_uid: Some("u-1".into()),
        ..IdentityStatus::default()
    };
    assert!(!is_complete(&identity, &status));
    assert!(add(&identity, &mut status, &members()));
    (identity, status)
}

#[test]
fn what_the_spec_asks_for_is_recorded_once_and_is_not_stale() {
    let (identity, mut status) = recorded();
    assert!(!add(&identity, &mut status, &members()));
    assert!(is_complete(&identity, &status));
    assert_eq!(stale(&identity, &status), []);
    assert_eq!((bindings(&status).len(), grants(&status).len()), (1, 1));
}

#[test]
fn a_grant_that_the_rules_dropped_is_stale_until_it_is_revoked() {
    let (mut identity, mut status) = recorded();
    let dropped = identity.spec.grants.remove(0);
    let old = stale(&identity, &status);
    assert_eq!(old.len(), 1);
    assert_eq!(Some(&old[0].resource), plan::resource(&dropped).as_ref());
    remove(&mut status, &old);
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
    add(&identity, &mut status, &direct("u-1"));
    assert!(is_complete(&identity, &status));
    assert_eq!(stale(&identity, &status).len(), 2);
}

#[test]
fn the_grants_of_a_deleted_service_account_are_stale() {
    let (mut identity, _) = recorded();
    identity.spec.mode = Mode::Direct;
    identity.spec.google_service_account = None;
    let mut status = IdentityStatus {
        service_account_uid: Some("u-1".into()),
        ..IdentityStatus::default()
    };
    add(&identity, &mut status, &direct("u-1"));
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
        binding: Some(principal::member_by_uid("123", "acme", "u-1")),
        ..members()
    };
    add(&identity, &mut status, &by_uid);
    assert!(is_complete(&identity, &status));
    assert_eq!(stale(&identity, &status).len(), 1);
}

#[test]
fn for_a_pinned_account_only_the_binding_is_recorded() {
    let mut identity = fixtures::identity();
    identity.spec.pinned = true;
    let mut status = IdentityStatus::default();
    add(&identity, &mut status, &members());
    assert_eq!((bindings(&status).len(), grants(&status).len()), (1, 0));
    assert!(is_complete(&identity, &status));
}

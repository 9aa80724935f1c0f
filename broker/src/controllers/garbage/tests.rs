use super::*;
use crate::fixtures;
use crate::identity::objects;

fn is_google_garbage(account: &GoogleServiceAccount, in_use: &InUse) -> bool {
    super::is_google_garbage(&fixtures::rules(), account, in_use)
}

fn is_garbage(account: &ServiceAccount, in_use: &InUse) -> bool {
    super::is_garbage(&fixtures::rules(), account, in_use)
}

fn in_use(identity: &Identity) -> InUse {
    let mut in_use = InUse::default();
    in_use.add(identity);
    in_use
}

fn google(identity: &Identity) -> GoogleServiceAccount {
    GoogleServiceAccount {
        project: identity.spec.project.clone(),
        email: identity.spec.google_service_account.clone().unwrap(),
        unique_id: "1".into(),
        description: objects::mark(identity).unwrap().to_string(),
        display_name: String::new(),
        disabled: false,
    }
}

fn account(identity: &Identity) -> ServiceAccount {
    objects::service_account(identity, &objects::mark(identity).unwrap())
}

#[test]
fn an_account_with_an_identity_is_not_garbage() {
    let identity = fixtures::identity();
    let used = in_use(&identity);
    assert!(!is_google_garbage(&google(&identity), &used));
    assert!(!is_garbage(&account(&identity), &used));
    let none = InUse::default();
    assert!(is_google_garbage(&google(&identity), &none));
    assert!(is_garbage(&account(&identity), &none));
}

#[test]
fn an_account_whose_id_an_identity_has_recorded_is_not_garbage_whatever_the_spec_says() {
    let mut identity = fixtures::identity();
    let account = google(&identity);
    identity.spec.google_service_account = None;
    let status = identity.status.get_or_insert_default();
    status.google_service_account_id = Some(account.unique_id.clone());
    let used = in_use(&identity);
    assert!(!is_google_garbage(&account, &used));
}

#[test]
fn an_account_without_our_own_mark_is_never_garbage() {
    let (identity, none) = (fixtures::identity(), InUse::default());
    let marked = |description: &str| GoogleServiceAccount {
        description: description.to_owned(),
        ..google(&identity)
    };
    let mark = objects::mark(&identity).unwrap().to_string();
    for other in [
        "",
        "billing",
        &mark.replace("stack=prod", "stack=dev"),
        &mark.replace("clusters/ml", "clusters/ml2"),
        &mark.replace(&identity.name_any(), "default"),
        &mark.replace("-alice-", "-alicf-"),
        &format!("{mark} and more"),
    ] {
        let account = marked(other);
        assert!(!is_google_garbage(&account, &none), "{other}");
    }
    let mut bare = account(&identity);
    bare.metadata.annotations = None;
    assert!(!is_garbage(&bare, &none));
    let mut copied = account(&identity);
    copied.metadata.name = Some("billing".into());
    assert!(!is_garbage(&copied, &none));
    let mut elsewhere = account(&identity);
    elsewhere.metadata.namespace = Some("prod".into());
    assert!(!is_garbage(&elsewhere, &none));
}

#[test]
fn garbage_is_due_after_the_grace_period_and_forgotten_when_it_is_used_again() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let grace = Duration::from_secs(10);
    let (garbage, none) = (HashSet::from(["a".to_owned()]), HashSet::new());
    let found = |all: Option<&[&str]>| {
        let all = all.map(|all| all.iter().map(|&id| id.to_owned()).collect());
        Found::from([("acme".to_owned(), all)])
    };
    let (listed, unused) = (found(Some(&["a"])), found(Some(&[])));
    let mut seen = FirstSeen::default();
    assert_eq!(seen.due(at(0), grace, &listed), none);
    assert_eq!(seen.due(at(9), grace, &listed), none);
    assert_eq!(seen.due(at(10), grace, &listed), garbage);
    assert_eq!(seen.due(at(11), grace, &unused), none);
    assert_eq!(seen.due(at(12), grace, &listed), none);
    // A project that cannot be listed for once begins no new grace period; one that the rules dropped does.
    assert_eq!(seen.due(at(20), grace, &found(None)), none);
    assert_eq!(seen.due(at(22), grace, &listed), garbage);
    assert_eq!(seen.due(at(23), grace, &Found::new()), none);
    assert_eq!(seen.due(at(24), grace, &listed), none);
}

use super::*;
use crate::fixtures;
use crate::identity::objects;

fn ours() -> Ours {
    let spec = fixtures::identity().spec;
    Ours {
        stack: spec.stack,
        cluster: spec.cluster,
    }
}

fn google(identity: &Identity) -> ServiceAccount {
    ServiceAccount {
        project: identity.spec.project.clone(),
        email: identity.spec.google_service_account.clone().unwrap(),
        unique_id: "1".into(),
        description: objects::mark(identity).unwrap().to_string(),
        display_name: String::new(),
        disabled: false,
    }
}

fn account(identity: &Identity) -> Account {
    objects::service_account(identity, &objects::mark(identity).unwrap())
}

#[test]
fn what_has_an_identity_is_wanted() {
    let identity = fixtures::identity();
    let wanted = Wanted::of([&identity].into_iter());
    assert!(!ours().is_dead_google_account(&google(&identity), &wanted));
    assert!(!ours().is_dead_account(&account(&identity), &wanted));
    let none = Wanted::default();
    assert!(ours().is_dead_google_account(&google(&identity), &none));
    assert!(ours().is_dead_account(&account(&identity), &none));
}

#[test]
fn an_account_that_an_identity_records_by_its_id_is_wanted_whatever_its_spec_says() {
    let mut identity = fixtures::identity();
    let account = google(&identity);
    identity.spec.google_service_account = None;
    let status = identity.status.get_or_insert_default();
    status.google_service_account_id = Some(account.unique_id.clone());
    let wanted = Wanted::of([&identity].into_iter());
    assert!(!ours().is_dead_google_account(&account, &wanted));
}

#[test]
fn what_does_not_carry_our_own_mark_is_never_garbage() {
    let (identity, none) = (fixtures::identity(), Wanted::default());
    let marked = |description: &str| ServiceAccount {
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
        assert!(!ours().is_dead_google_account(&account, &none), "{other}");
    }
    let mut bare = account(&identity);
    bare.metadata.annotations = None;
    assert!(!ours().is_dead_account(&bare, &none));
    let mut copied = account(&identity);
    copied.metadata.name = Some("billing".into());
    assert!(!ours().is_dead_account(&copied, &none));
    let mut elsewhere = account(&identity);
    elsewhere.metadata.namespace = Some("prod".into());
    assert!(!ours().is_dead_account(&elsewhere, &none));
}

#[test]
fn garbage_is_collected_after_its_grace_and_forgotten_when_it_is_wanted_again() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let (grace, dead) = (SignedDuration::from_secs(10), ["a".to_owned()]);
    let mut seen = Seen::default();
    assert_eq!(seen.due(at(0), grace, &dead), Vec::<String>::new());
    assert_eq!(seen.due(at(9), grace, &dead), Vec::<String>::new());
    assert_eq!(seen.due(at(10), grace, &dead), dead);
    seen.due(at(11), grace, &[]);
    assert_eq!(seen.due(at(12), grace, &dead), Vec::<String>::new());
}

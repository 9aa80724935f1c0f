//! Whose what is there is.

use super::*;
use crate::fixtures;

fn wanted() -> ServiceAccount {
    let identity = fixtures::identity();
    service_account(&identity, &mark(&identity).unwrap())
}

fn with(change: impl FnOnce(&mut ServiceAccount)) -> Judgement {
    let mut there = wanted();
    change(&mut there);
    judge(&there, &wanted())
}

#[test]
fn our_own_account_is_right_also_with_what_others_added() {
    assert_eq!(with(|_| {}), Judgement::Right);
    let added = with(|a| {
        a.annotations_mut().insert("team".into(), "ml".into());
    });
    assert_eq!(added, Judgement::Right);
}

#[test]
fn an_account_without_our_mark_or_with_another_is_foreign() {
    let bare = with(|a| a.metadata.annotations = None);
    assert!(matches!(bare, Judgement::Foreign(_)), "{bare:?}");
    let other = with(|a| {
        let mark = "namesake stack=dev cluster=c ksa=research/x";
        a.annotations_mut()
            .insert(names::MARK_ANNOTATION.into(), mark.into());
    });
    assert!(matches!(other, Judgement::Foreign(_)), "{other:?}");
}

#[test]
fn a_copied_mark_without_our_owner_is_foreign() {
    let judged = with(|a| a.metadata.owner_references = None);
    assert!(matches!(judged, Judgement::Foreign(_)), "{judged:?}");
}

/// An account that was made together with an Identity, as it looks to that Identity and to those that have another number.
#[test]
fn an_unowned_account_is_its_identitys_by_the_number_of_both_and_never_anybody_elses() {
    let numbered = |number: Option<&str>| {
        let mut identity = fixtures::identity();
        identity.metadata.annotations = number
            .map(|number| BTreeMap::from([(names::CREATION_ANNOTATION.into(), number.into())]));
        service_account(&identity, &mark(&identity).unwrap())
    };
    let (ours, mut there) = (numbered(Some("n1")), numbered(Some("n1")));
    assert_eq!(judge(&there, &ours), Judgement::Right);
    there.metadata.owner_references = None;
    assert_eq!(judge(&there, &ours), Judgement::Unowned);
    let looks = digest(&there.metadata);
    let judged = judge_looks(&looks, &ours.metadata);
    assert_eq!(judged, Some(Judgement::Unowned));
    for other in [Some("n2"), None] {
        assert_eq!(judge(&there, &numbered(other)), Judgement::Cut, "{other:?}");
        assert_eq!(judge_looks(&looks, &numbered(other).metadata), None);
    }
    annotate(&mut there, names::GSA_ANNOTATION, "root@x");
    assert_eq!(judge(&there, &ours), Judgement::Drifted);
    let unmade = |change: fn(&mut ServiceAccount)| {
        let mut there = there.clone();
        change(&mut there);
        judge(&there, &ours)
    };
    let foreign: [fn(&mut ServiceAccount); 4] = [
        |a| drop(a.annotations_mut().remove(names::CREATION_ANNOTATION)),
        |a| drop(a.annotations_mut().remove(names::MARK_ANNOTATION)),
        |a| a.metadata.labels = None,
        |a| {
            let other = OwnerReference::default();
            a.metadata.owner_references = Some(vec![other]);
        },
    ];
    for change in foreign {
        let judged = unmade(change);
        assert!(matches!(judged, Judgement::Foreign(_)), "{judged:?}");
    }
}

#[test]
fn an_account_of_an_identity_that_is_gone_is_a_leftover() {
    let judged = with(|a| {
        for owner in a.metadata.owner_references.iter_mut().flatten() {
            owner.uid = "older".into();
        }
    });
    assert_eq!(judged, Judgement::Leftover);
}

#[test]
fn a_changed_or_added_link_to_google_is_drift() {
    let changed = with(|a| {
        a.annotations_mut()
            .insert(names::GSA_ANNOTATION.into(), "root@x".into());
    });
    assert_eq!(changed, Judgement::Drifted);
    let added = with(|a| {
        a.annotations_mut()
            .insert("iam.gke.io/other".into(), "x".into());
    });
    assert_eq!(added, Judgement::Drifted);
    assert_eq!(with(|a| a.image_pull_secrets = None), Judgement::Drifted);
}

fn annotate(account: &mut ServiceAccount, key: &str, value: &str) {
    let annotations = account.annotations_mut();
    annotations.insert(key.to_owned(), value.to_owned());
}

#[test]
fn a_digest_is_another_as_soon_as_the_account_is_not_right() {
    let same = |change: fn(&mut ServiceAccount)| {
        let mut there = wanted();
        change(&mut there);
        digest(&there.metadata) == digest(&wanted().metadata)
    };
    assert!(same(|a| a.metadata.uid = Some("u".into())));
    assert!(same(|a| {
        a.annotations_mut().insert("team".into(), "ml".into());
        a.labels_mut().insert("team".into(), "ml".into());
    }));
    let wrong: [fn(&mut ServiceAccount); 6] = [
        |a| a.metadata.annotations = None,
        |a| a.metadata.labels = None,
        |a| a.metadata.owner_references = None,
        |a| annotate(a, names::GSA_ANNOTATION, "root@x"),
        |a| annotate(a, "iam.gke.io/other", "x"),
        |a| drop(a.annotations_mut().remove(names::USER_ANNOTATION)),
    ];
    for change in wrong {
        assert!(!same(change));
        assert_ne!(with(change), Judgement::Right);
    }
}

#[test]
fn a_role_binding_that_gives_something_else_is_foreign() {
    let wanted = role_bindings(&fixtures::identity()).remove(0);
    assert_eq!(judge_role_binding(&wanted, &wanted), Judgement::Right);
    let mut other = wanted.clone();
    other.role_ref.name = "cluster-admin".into();
    assert!(matches!(
        judge_role_binding(&other, &wanted),
        Judgement::Foreign(_)
    ));
}

#[test]
fn an_identity_of_somebody_else_under_the_same_name_is_a_mismatch() {
    let asked = fixtures::identity().spec;
    assert_eq!(mismatch(&asked, &asked), None);
    let mut there = asked.clone();
    there.user = "bob@acme.com".into();
    assert!(mismatch(&there, &asked).unwrap().contains("user"));
}

//! Comparison of existing objects with wanted ones.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::judgement::*;
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
fn our_ksa_is_right_even_with_annotations_of_others() {
    assert_eq!(with(|_| {}), Judgement::Right);
    let added = with(|a| {
        a.annotations_mut().insert("team".into(), "ml".into());
    });
    assert_eq!(added, Judgement::Right);
}

#[test]
fn a_ksa_without_our_mark_is_foreign() {
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

/// A KSA that was created together with an Identity, compared for that Identity and for others.
#[test]
fn a_ksa_without_an_owner_belongs_to_the_identity_with_the_same_creation_id() {
    let with_id = |id: Option<&str>| {
        let mut identity = fixtures::identity();
        identity.metadata.annotations =
            id.map(|id| BTreeMap::from([(names::CREATION_ANNOTATION.into(), id.into())]));
        service_account(&identity, &mark(&identity).unwrap())
    };
    let (ours, mut there) = (with_id(Some("n1")), with_id(Some("n1")));
    assert_eq!(judge(&there, &ours), Judgement::Right);
    there.metadata.owner_references = None;
    assert_eq!(judge(&there, &ours), Judgement::Unowned);
    let existing = digest(&there.metadata);
    let judged = judge_digest(&existing, &ours.metadata);
    assert_eq!(judged, Some(Judgement::Unowned));
    for other in [Some("n2"), None] {
        assert_eq!(
            judge(&there, &with_id(other)),
            Judgement::Orphaned,
            "{other:?}"
        );
        assert_eq!(judge_digest(&existing, &with_id(other).metadata), None);
    }
    annotate(&mut there, names::GSA_ANNOTATION, "root@x");
    assert_eq!(judge(&there, &ours), Judgement::Drifted);
    let changed = |change: fn(&mut ServiceAccount)| {
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
        let judged = changed(change);
        assert!(matches!(judged, Judgement::Foreign(_)), "{judged:?}");
    }
}

#[test]
fn a_ksa_of_a_deleted_identity_is_a_leftover() {
    let judged = with(|a| {
        for owner in a.metadata.owner_references.iter_mut().flatten() {
            owner.uid = "older".into();
        }
    });
    assert_eq!(judged, Judgement::Leftover);
}

#[test]
fn a_changed_or_added_annotation_of_gke_is_drift() {
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
fn the_digest_differs_if_the_ksa_is_not_right() {
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
fn a_role_binding_with_another_role_is_foreign() {
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
fn an_identity_of_another_user_is_a_mismatch() {
    let asked = fixtures::identity().spec;
    assert_eq!(mismatch(&asked, &asked), None);
    let mut there = asked.clone();
    there.user = "bob@acme.com".into();
    assert!(mismatch(&there, &asked).unwrap().contains("user"));
}

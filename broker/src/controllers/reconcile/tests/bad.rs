//! What people can get wrong: each is said where it is looked for, with what to do, and leaves nothing half-made.

use super::*;
use crate::controllers::reconcile::memory::Memory;
use crate::identity::failure::Failure;
use crate::identity::plan::Change;

/// What the condition of the step says, and that Google was not written to.
async fn refused(world: &World, identity: &Identity, change: &Change) -> Failure {
    let before = world.last();
    let failure = step::take(identity, &world.context, change, &mut Memory::default())
        .await
        .unwrap_err();
    let finding = failure.finding(change);
    assert!(!finding.reason.is_empty() && finding.message.len() > 20);
    let wrote = |line: &String| !line.starts_with("POST /v1/projects/nowhere-1");
    let written: Vec<_> = world.written(before).into_iter().filter(wrote).collect();
    assert!(
        written.iter().all(|line| line.ends_with(":setIamPolicy")),
        "{written:?}"
    );
    failure
}

#[tokio::test]
async fn a_project_that_is_not_there_is_named() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    let name = identity.name_any();
    identity.spec.project = "nowhere-1".into();
    identity.spec.google_service_account =
        Some(format!("{name}@nowhere-1.iam.gserviceaccount.com"));
    let failure = refused(&world, &identity, &Change::FindGoogleAccount).await;
    assert!(failure.message.contains("nowhere-1"), "{}", failure.message);
    assert_eq!(failure.retry, Retry::Slowly);
    let listed = world.emulator.state().listing()["serviceAccounts"].to_string();
    assert!(!listed.contains(&name), "{listed}");
}

#[tokio::test]
async fn a_cluster_project_without_a_number_is_named_in_direct_mode() {
    let (world, mut identity) = (World::new().await, direct());
    identity.spec.cluster = "projects/nowhere-1/locations/l/clusters/c".into();
    let failure = refused(&world, &identity, &Change::Record).await;
    assert!(failure.message.contains("nowhere-1"), "{}", failure.message);
}

#[tokio::test]
async fn a_role_that_nobody_knows_is_named_and_not_given() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google::find(&identity, &world.context).await.unwrap();
    identity.spec.grants[0].role = "roles/storage.objectUsr".into();
    let on = folder(&identity);
    let failure = refused(&world, &identity, &Change::Grant(on.clone())).await;
    assert!(failure.message.contains("objectUsr"), "{}", failure.message);
    assert_eq!(failure.retry, Retry::Slowly);
    let policy = world.context.gcp.policy(&on).await;
    assert!(policy.is_err() || policy.is_ok_and(|policy| policy.member_count() == 0));
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google::find(&identity, &world.context).await.unwrap();
    identity.spec.grants[0].bucket = Some("acme-nowhere".into());
    let failure = refused(&world, &identity, &Change::Grant(folder(&identity))).await;
    assert!(
        failure.message.contains("acme-nowhere"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_google_account_of_our_name_that_is_somebody_elses_gets_nothing_and_loses_nothing() {
    let (world, identity) = (World::new().await, fixtures::identity());
    world.others(&identity.name_any());
    let before = world.last();
    for change in [Change::FindGoogleAccount, Change::SeeGoogleAccount] {
        let failure = refused(&world, &identity, &change).await;
        assert_eq!(failure.reason, "Conflict");
    }
    for change in [
        Change::DisableGoogleAccount,
        Change::DeleteGoogleAccount,
        Change::Unbind,
    ] {
        step::take(&identity, &world.context, &change, &mut Memory::default())
            .await
            .unwrap();
    }
    assert_eq!(world.written(before), Vec::<String>::new());
}

#[test]
fn an_identity_edited_into_nonsense_is_nobodys() {
    let mut identity = fixtures::identity();
    identity.spec.values.insert("colour".into(), "red".into());
    assert!(!crate::identity::derive::is_derived(&identity));
    let mut identity = fixtures::identity();
    identity.spec.key = "../everything".into();
    assert!(!crate::identity::derive::is_derived(&identity));
    let mut identity = fixtures::identity();
    identity.metadata.name = Some("mf-bob-aaaaaaaaaaaaaa".into());
    assert!(!crate::identity::derive::is_derived(&identity));
}

/// A role that the broker may give, on a project.
fn on_project(identity: &mut Identity) -> Resource {
    let grant = &mut identity.spec.grants[0];
    (grant.bucket, grant.folder) = (None, None);
    grant.project = Some("acme".into());
    folder(identity)
}

/// Google lets the broker do this on the project, and no more.
fn lets(world: &World, permissions: &[&str]) {
    world.emulator.state().clear_faults();
    let body = json!({"permissions": permissions});
    world.fails(
        json!({"path": "*/projects/acme:testIamPermissions", "times": 0,
        "answer": {"status": {"code": 200, "body": body}}}),
    );
}

#[tokio::test]
async fn what_could_not_be_taken_back_is_not_recorded() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    on_project(&mut identity);
    let (read, write) = (
        "resourcemanager.projects.getIamPolicy",
        "resourcemanager.projects.setIamPolicy",
    );
    for (held, lacks) in [(vec![], read), (vec![read], write)] {
        lets(&world, &held);
        let found = google::find(&identity, &world.context).await.unwrap();
        assert_eq!(found.record, None, "{held:?}");
        let failure = refused(&world, &identity, &Change::Record).await;
        assert_eq!(failure.reason, "PermissionDenied");
        for part in [lacks, "project acme", "class research"] {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
    }
    lets(&world, &[read, write]);
    let done = google::record(&identity, &world.context).await.unwrap();
    assert!(done.record.is_some());
    // It was asked a moment ago.
    let before = world.last();
    google::record(&identity, &world.context).await.unwrap();
    let asked = world.asked(before);
    assert!(
        !asked.iter().any(|line| line.contains("testIam")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_is_recorded_is_not_asked_about_again() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google::find(&identity, &world.context).await.unwrap();
    let mut status = identity.status.clone().unwrap_or_default();
    crate::google::written::record(&identity, &mut status, &members(&identity));
    identity.status = Some(status);
    let before = world.last();
    let done = google::find(&identity, &world.context).await.unwrap();
    assert!(done.record.is_some());
    let asked = world.asked(before);
    assert!(
        asked.iter().all(|line| !line.contains("estPermissions")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn nothing_is_recorded_for_an_account_that_is_not_ours() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    let root = "root-account@acme-identities.iam.gserviceaccount.com";
    world.others("root-account");
    identity.spec.google_service_account = Some(root.into());
    let failure = refused(&world, &identity, &Change::Record).await;
    assert_eq!(failure.reason, "Conflict");
}

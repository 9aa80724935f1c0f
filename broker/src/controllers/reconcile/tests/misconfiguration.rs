//! Mistakes of people: each is reported with what to do, and leaves nothing half-finished.

use super::*;
use crate::controllers::quota::rights::Rights;
use crate::controllers::reconcile::memory::Memory;
use crate::identity::plan::change::Change;
use crate::identity::step_failure::StepFailure;

/// Executes a step that fails without writing to Google.
async fn fails(world: &World, identity: &Identity, change: &Change) -> StepFailure {
    let before = world.last();
    let failure = step::execute(identity, &world.context, change, &mut Memory::default())
        .await
        .unwrap_err();
    let finding = failure.finding(change);
    assert!(finding.message.len() > 20);
    let wrote = |line: &String| !line.starts_with("POST /v1/projects/nowhere-1");
    let written: Vec<_> = world.written(before).into_iter().filter(wrote).collect();
    assert!(
        written.iter().all(|line| line.ends_with(":setIamPolicy")),
        "{written:?}"
    );
    failure
}

#[tokio::test]
async fn a_missing_project_is_named() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    let name = identity.name_any();
    identity.spec.project = "nowhere-1".into();
    identity.spec.google_service_account =
        Some(format!("{name}@nowhere-1.iam.gserviceaccount.com"));
    let failure = fails(&world, &identity, &Change::EnsureGoogleAccount).await;
    assert!(failure.message.contains("nowhere-1"), "{}", failure.message);
    assert_eq!(failure.retry, Retry::Slowly);
    let listed = world.emulator.state().listing()["serviceAccounts"].to_string();
    assert!(!listed.contains(&name), "{listed}");
}

#[tokio::test]
async fn a_cluster_project_without_a_number_is_named_in_direct_mode() {
    let (world, mut identity) = (World::new().await, direct());
    identity.spec.cluster = "projects/nowhere-1/locations/l/clusters/c".into();
    let failure = fails(&world, &identity, &Change::Record).await;
    assert!(failure.message.contains("nowhere-1"), "{}", failure.message);
}

#[tokio::test]
async fn an_unknown_role_is_named_and_not_granted() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    identity.spec.grants[0].role = "roles/storage.objectUsr".into();
    let on = folder(&identity);
    let failure = fails(&world, &identity, &Change::Grant(on.clone())).await;
    assert!(failure.message.contains("objectUsr"), "{}", failure.message);
    assert_eq!(failure.retry, Retry::Slowly);
    let policy = world.context.gcp.policy(&on).await;
    assert!(policy.is_err() || policy.is_ok_and(|policy| policy.member_count() == 0));
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    identity.spec.grants[0].bucket = Some("acme-nowhere".into());
    let failure = fails(&world, &identity, &Change::Grant(folder(&identity))).await;
    assert!(
        failure.message.contains("acme-nowhere"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_foreign_google_account_with_the_name_of_the_identity_is_not_changed() {
    let (world, identity) = (World::new().await, fixtures::identity());
    world.create_foreign_account(&identity.name_any());
    let before = world.last();
    for change in [Change::EnsureGoogleAccount, Change::ConfirmGoogleAccount] {
        let failure = fails(&world, &identity, &change).await;
        assert_eq!(failure.reason, Reason::Conflict);
    }
    for change in [
        Change::DisableGoogleAccount,
        Change::DeleteGoogleAccount,
        Change::Unbind,
    ] {
        step::execute(&identity, &world.context, &change, &mut Memory::default())
            .await
            .unwrap();
    }
    assert_eq!(world.written(before), Vec::<String>::new());
}

#[test]
fn an_identity_that_was_edited_by_hand_does_not_have_the_derived_name() {
    let mut identity = fixtures::identity();
    identity.spec.values.insert("colour".into(), "red".into());
    assert!(!crate::identity::derive::has_derived_name(&identity));
    let mut identity = fixtures::identity();
    identity.spec.key = "../everything".into();
    assert!(!crate::identity::derive::has_derived_name(&identity));
    let mut identity = fixtures::identity();
    identity.metadata.name = Some("mf-bob-aaaaaaaaaaaaaa".into());
    assert!(!crate::identity::derive::has_derived_name(&identity));
}

/// Moves the grant to a project.
fn grant_on_project(identity: &mut Identity) -> Resource {
    let grant = &mut identity.spec.grants[0];
    (grant.bucket, grant.folder) = (None, None);
    grant.project = Some("acme".into());
    folder(identity)
}

/// The broker has only these permissions on the project.
fn set_permissions(world: &World, permissions: &[&str]) {
    world.emulator.state().clear_faults();
    let body = json!({"permissions": permissions});
    world.add_fault(
        json!({"path": "*/projects/acme:testIamPermissions", "times": 0,
        "answer": {"status": {"code": 200, "body": body}}}),
    );
}

#[tokio::test]
async fn a_grant_that_the_broker_could_not_revoke_is_not_recorded() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    grant_on_project(&mut identity);
    let (read, write) = (
        "resourcemanager.projects.getIamPolicy",
        "resourcemanager.projects.setIamPolicy",
    );
    for (held, missing) in [(vec![], read), (vec![read], write)] {
        set_permissions(&world, &held);
        let found = google_account::ensure(&identity, &world.context)
            .await
            .unwrap();
        assert_eq!(found.to_record, None, "{held:?}");
        let failure = fails(&world, &identity, &Change::Record).await;
        assert_eq!(failure.reason, Reason::PermissionDenied);
        for part in [missing, "project acme", "class research"] {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
    }
    set_permissions(&world, &[read, write]);
    let done = policies::record(&identity, &world.context).await.unwrap();
    assert!(done.to_record.is_some());
    // The permissions were tested a moment ago.
    let before = world.last();
    policies::record(&identity, &world.context).await.unwrap();
    let requests = world.requests(before);
    assert!(
        !requests.iter().any(|line| line.contains("testIam")),
        "{requests:?}"
    );
}

#[tokio::test]
async fn for_recorded_grants_no_permissions_are_tested() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let mut status = identity.status.clone().unwrap_or_default();
    crate::google::recorded::add(&identity, &mut status, &members(&identity));
    identity.status = Some(status);
    let before = world.last();
    let done = google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    assert!(done.to_record.is_some());
    let requests = world.requests(before);
    assert!(
        requests.iter().all(|line| !line.contains("estPermissions")),
        "{requests:?}"
    );
}

#[tokio::test]
async fn what_the_broker_lacks_is_reported_and_asked_again_only_after_an_hour() {
    let (world, rules) = (World::new().await, fixtures::rules());
    let (gcp, project) = (&world.context.gcp, "project/acme-identities");
    let mut rights = Rights::default();
    let texts = rights.texts(gcp, &rules).await;
    assert_eq!(texts[project], "all that the rules need", "{texts:?}");
    world.add_fault(
        json!({"path": "*/projects/acme-identities:testIamPermissions", "times": 0,
        "answer": {"status": {"code": 200, "body": {}}}}),
    );
    let later = Rights::default().texts(gcp, &rules).await[project].clone();
    assert!(
        later.starts_with("lacks iam.serviceAccounts.create, "),
        "{later}"
    );
    let before = world.last();
    let texts = rights.texts(gcp, &rules).await;
    assert_eq!(texts[project], "all that the rules need");
    assert!(world.requests(before).is_empty());
}

#[tokio::test]
async fn nothing_is_recorded_for_a_foreign_account() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    let root = "root-account@acme-identities.iam.gserviceaccount.com";
    world.create_foreign_account("root-account");
    identity.spec.google_service_account = Some(root.into());
    let failure = fails(&world, &identity, &Change::Record).await;
    assert_eq!(failure.reason, Reason::Conflict);
}

//! Changes that others make to an identity's Google side.

use super::*;
use crate::google::principal;

#[tokio::test]
async fn foreign_members_of_our_account_are_reported_and_removed_only_by_rule() {
    let (world, identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let (role, theirs) = ("roles/iam.serviceAccountTokenCreator", "user:eve@acme.com");
    let put = |policy: &mut Policy| policy.add(role, theirs, None);
    let on = account(&identity);
    world.context.gcp.modify_policy(&on, put).await.unwrap();
    let outcome = policies::bind(&identity, &world.context).await.unwrap();
    let finding = outcome.foreign_members.unwrap();
    assert_eq!(finding.reason, Reason::ForeignMembers);
    assert!(finding.message.contains(theirs), "{}", finding.message);
    assert!(world.has(&on, role, theirs).await);
    let rules = fixtures::rules_with("  foreignMembers: remove\n");
    world.context.rules.set(rules);
    let outcome = policies::bind(&identity, &world.context).await.unwrap();
    assert!(!outcome.repaired && outcome.foreign_members.unwrap().message.contains(theirs));
    assert!(!world.has(&on, role, theirs).await);
    let binding = principal::member_by_name(&identity);
    assert!(world.has(&on, WORKLOAD_IDENTITY_USER, &binding).await);
}

#[tokio::test]
async fn foreign_members_of_a_pinned_account_always_stay() {
    let (world, identity) = (World::new().await, pinned());
    world.create_foreign_account("alice-ml");
    world
        .context
        .rules
        .set(fixtures::rules_with("  foreignMembers: remove\n"));
    let (role, theirs) = ("roles/iam.serviceAccountUser", "user:alice@acme.com");
    let put = |policy: &mut Policy| policy.add(role, theirs, None);
    let on = account(&identity);
    world.context.gcp.modify_policy(&on, put).await.unwrap();
    let outcome = policies::bind(&identity, &world.context).await.unwrap();
    assert_eq!(
        outcome.foreign_members.unwrap().reason,
        Reason::ForeignMembers
    );
    assert!(world.has(&on, role, theirs).await);
}

#[tokio::test]
async fn an_account_that_others_deleted_is_undeleted() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    let made = google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let id = made.google_account_id.clone().unwrap();
    identity
        .status
        .get_or_insert_default()
        .google_service_account_id = Some(id.clone());
    let gcp = &world.context.gcp;
    gcp.delete_service_account("acme-identities", &id)
        .await
        .unwrap();
    let back = google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    assert_eq!(
        (back.repaired, back.google_account_id),
        (true, Some(id.clone()))
    );
    // After 30 days it is deleted for good: another account is created, which inherits nothing.
    gcp.delete_service_account("acme-identities", &id)
        .await
        .unwrap();
    let month = jiff::SignedDuration::from_hours(31 * 24);
    world.emulator.state().clock().advance(month);
    let other = google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    assert!(other.repaired && other.google_account_id != Some(id));
}

#[tokio::test]
async fn a_binding_by_uid_is_for_this_ksa_only() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    identity.spec.bind_by = namesake_api::BindBy::Uid;
    identity.status.get_or_insert_default().service_account_uid = Some("u-1".into());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    policies::bind(&identity, &world.context).await.unwrap();
    let (on, role) = (account(&identity), WORKLOAD_IDENTITY_USER);
    assert!(
        world
            .has(&on, role, &principal::member_by_uid("123", "acme", "u-1"))
            .await
    );
    assert!(
        !world
            .has(&on, role, &principal::member_by_name(&identity))
            .await
    );
}

//! What others did to an identity's Google side.

use super::*;
use crate::google::principal;

#[tokio::test]
async fn others_in_the_policy_of_our_account_are_reported_and_removed_only_by_rule() {
    let (world, identity) = (World::new().await, fixtures::identity());
    google::find(&identity, &world.context).await.unwrap();
    let (role, theirs) = ("roles/iam.serviceAccountTokenCreator", "user:eve@acme.com");
    let put = |policy: &mut Policy| policy.add(role, theirs, None);
    let on = account(&identity);
    world.context.gcp.modify_policy(&on, put).await.unwrap();
    let said = google::bind(&identity, &world.context).await.unwrap();
    let said = said.exclusive.unwrap();
    assert_eq!(said.reason, "ForeignMembers");
    assert!(said.message.contains(theirs), "{}", said.message);
    assert!(world.has(&on, role, theirs).await);
    let rules = fixtures::rules_with("  foreignMembers: remove\n");
    world.context.rules.set(rules);
    let said = google::bind(&identity, &world.context).await.unwrap();
    assert!(!said.repaired && said.exclusive.unwrap().message.contains(theirs));
    assert!(!world.has(&on, role, theirs).await);
    let binding = principal::binding(&identity);
    assert!(
        world
            .has(&on, google::WORKLOAD_IDENTITY_USER, &binding)
            .await
    );
}

#[tokio::test]
async fn others_in_the_policy_of_a_pinned_account_always_stay() {
    let (world, identity) = (World::new().await, pinned());
    world.others("alice-ml");
    world
        .context
        .rules
        .set(fixtures::rules_with("  foreignMembers: remove\n"));
    let (role, theirs) = ("roles/iam.serviceAccountUser", "user:alice@acme.com");
    let put = |policy: &mut Policy| policy.add(role, theirs, None);
    let on = account(&identity);
    world.context.gcp.modify_policy(&on, put).await.unwrap();
    let said = google::bind(&identity, &world.context).await.unwrap();
    assert_eq!(said.exclusive.unwrap().reason, "ForeignMembers");
    assert!(world.has(&on, role, theirs).await);
}

#[tokio::test]
async fn an_account_that_was_deleted_outside_is_brought_back_and_not_made_anew() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    let made = google::find(&identity, &world.context).await.unwrap();
    let id = made.google_id.clone().unwrap();
    identity
        .status
        .get_or_insert_default()
        .google_service_account_id = Some(id.clone());
    let gcp = &world.context.gcp;
    gcp.delete_service_account("acme-identities", &id)
        .await
        .unwrap();
    let back = google::find(&identity, &world.context).await.unwrap();
    assert_eq!((back.repaired, back.google_id), (true, Some(id.clone())));
    // Gone for good after 30 days: another account, that inherits nothing.
    gcp.delete_service_account("acme-identities", &id)
        .await
        .unwrap();
    let month = jiff::SignedDuration::from_hours(31 * 24);
    world.emulator.state().clock().advance(month);
    let anew = google::find(&identity, &world.context).await.unwrap();
    assert!(anew.repaired && anew.google_id != Some(id));
}

#[tokio::test]
async fn an_account_bound_by_uid_is_bound_to_this_one_and_no_namesake() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    identity.spec.bind_by = namesake_api::BindBy::Uid;
    identity.status.get_or_insert_default().service_account_uid = Some("u-1".into());
    google::find(&identity, &world.context).await.unwrap();
    google::bind(&identity, &world.context).await.unwrap();
    let (on, role) = (account(&identity), google::WORKLOAD_IDENTITY_USER);
    assert!(
        world
            .has(&on, role, &principal::by_uid("123", "acme", "u-1"))
            .await
    );
    assert!(!world.has(&on, role, &principal::binding(&identity)).await);
}

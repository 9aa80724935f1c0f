//! Creation of an identity at Google.

use super::*;
use crate::google::principal;
use crate::identity::finding::Finding;
use namesake_api::IdentityStatus;
use namesake_api::names::GOOGLE_ACCOUNT_READY;
use namesake_core::Reason;

const USER: &str = "roles/storage.objectUser";

#[tokio::test]
async fn an_account_is_created_once_and_has_our_mark() {
    let (world, identity) = (World::new().await, fixtures::identity());
    let made = google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let found = google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    assert!(made.repaired && !found.repaired);
    assert_eq!(made.google_account_id, found.google_account_id);
    let email = identity.spec.google_service_account.as_deref().unwrap();
    let account = world
        .context
        .gcp
        .get_service_account("acme-identities", email)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        account.description,
        google_account::mark(&identity).unwrap()
    );
    assert_eq!(account.display_name, "alice@acme.com (research)");
}

#[tokio::test]
async fn a_foreign_account_is_a_conflict_and_not_changed() {
    let (world, identity) = (World::new().await, fixtures::identity());
    world.create_foreign_account(&identity.name_any());
    let before = world.last();
    let failure = google_account::ensure(&identity, &world.context)
        .await
        .unwrap_err();
    assert_eq!(
        (failure.reason, failure.retry, failure.breaks),
        (Reason::Conflict, Retry::Slowly, true)
    );
    assert!(
        failure.message.contains("billing") && failure.message.contains("delete it"),
        "{}",
        failure.message
    );
    assert_eq!(world.written(before), Vec::<String>::new());
}

#[tokio::test]
async fn a_disabled_account_of_ours_is_enabled() {
    let (world, identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let email = identity.spec.google_service_account.as_deref().unwrap();
    world
        .context
        .gcp
        .disable_service_account("acme-identities", email)
        .await
        .unwrap();
    assert!(
        google_account::ensure(&identity, &world.context)
            .await
            .unwrap()
            .repaired
    );
    let account = world
        .context
        .gcp
        .get_service_account("acme-identities", email)
        .await
        .unwrap()
        .unwrap();
    assert!(!account.disabled);
}

#[tokio::test]
async fn an_account_is_enabled_again_while_google_may_show_the_state_before() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let enabled = |lines: Vec<String>| lines.iter().any(|line| line.contains(":enable"));
    let before = world.last();
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    assert!(!enabled(world.written(before)), "it was not disabled");
    // The status says that the broker disabled it; a replica of Google shows that it is enabled.
    for reason in [Reason::Disabled, Reason::Disabling, Reason::Throttled] {
        let mut status = IdentityStatus {
            google_service_account_id: Some("1".into()),
            ..IdentityStatus::default()
        };
        let disabled = Finding::fails(GOOGLE_ACCOUNT_READY, reason, "it is disabled, or may be");
        let (mode, now) = (identity.spec.mode, jiff::Timestamp::UNIX_EPOCH);
        crate::identity::conditions::record(&mut status, None, mode, &[disabled], now);
        identity.status = Some(status);
        let before = world.last();
        google_account::ensure(&identity, &world.context)
            .await
            .unwrap();
        assert!(enabled(world.written(before)), "{reason}");
    }
}

#[tokio::test]
async fn the_broker_waits_until_google_shows_a_new_account() {
    let (world, identity) = (World::new().await, fixtures::identity());
    let state = world.emulator.state();
    state
        .change_settings(|s| s.delays.service_account_get = 3600.0)
        .unwrap();
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let unseen = google_account::confirm(&identity, &world.context)
        .await
        .unwrap_err();
    assert_eq!(
        (unseen.reason, unseen.breaks),
        (Reason::NotYetVisible, false)
    );
    // After a restart it is found to exist already.
    let again = google_account::ensure(&identity, &world.context)
        .await
        .unwrap_err();
    assert_eq!(again.reason, Reason::NotYetVisible);
    state
        .change_settings(|s| s.delays.service_account_get = 0.0)
        .unwrap();
    let state = world.emulator.state().clock();
    state.advance(jiff::SignedDuration::from_hours(1));
    google_account::confirm(&identity, &world.context)
        .await
        .unwrap();
}

#[tokio::test]
async fn binding_and_grants_are_written_once() {
    let (world, identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    assert!(bind_and_grant(&world, &identity).await);
    let before = world.last();
    assert!(!bind_and_grant(&world, &identity).await);
    assert_eq!(world.written(before), Vec::<String>::new());
    let binding = principal::member_by_name(&identity);
    assert!(
        world
            .has(&account(&identity), WORKLOAD_IDENTITY_USER, &binding)
            .await
    );
    assert!(
        world
            .has(&folder(&identity), USER, &member(&identity))
            .await
    );
}

async fn bind_and_grant(world: &World, identity: &Identity) -> bool {
    let bound = policies::bind(identity, &world.context).await.unwrap();
    let granted = policies::grant(identity, &world.context, &folder(identity))
        .await
        .unwrap();
    bound.repaired && granted.repaired
}

#[tokio::test]
async fn other_members_of_a_policy_stay() {
    let (world, identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let (role, theirs) = (
        "roles/iam.serviceAccountTokenCreator",
        "user:admin@acme.com",
    );
    let put = |policy: &mut Policy| policy.add(role, theirs, None);
    world
        .context
        .gcp
        .modify_policy(&account(&identity), put)
        .await
        .unwrap();
    bind_and_grant(&world, &identity).await;
    assert!(world.has(&account(&identity), role, theirs).await);
}

#[tokio::test]
async fn identities_that_share_a_bucket_do_not_lose_each_others_grants() {
    let world = Arc::new(World::new().await);
    let bucket = Resource::Bucket {
        name: "acme-mf".into(),
    };
    world
        .emulator
        .state()
        .change_settings(|s| s.limits.bucket_updates_per_second = None)
        .unwrap();
    let identities: Vec<_> = (0..10)
        .map(|n| shared(&format!("user{n}@acme.com")))
        .collect();
    for identity in &identities {
        google_account::ensure(identity, &world.context)
            .await
            .unwrap();
    }
    let before = world.last();
    let grants = identities
        .iter()
        .map(|identity| policies::grant(identity, &world.context, &bucket));
    for granted in futures::future::join_all(grants).await {
        assert!(granted.unwrap().repaired);
    }
    let writes = world.written(before).len();
    assert!(writes <= 2, "{writes} writes: they did not share one");
    for identity in &identities {
        assert!(world.has(&bucket, USER, &member(identity)).await);
    }
}

fn shared(user: &str) -> Identity {
    let mut request = fixtures::request();
    request.user = user.to_owned();
    request.values.insert("user".into(), user.to_owned());
    let derived = crate::identity::derive::identity(&fixtures::rules(), &request).unwrap();
    let mut identity = crate::identity::objects::identity("research", &derived.name, derived.spec);
    for grant in &mut identity.spec.grants {
        grant.folder = None;
    }
    identity
}

#[tokio::test]
async fn a_pinned_account_that_is_missing_or_disabled_is_reported() {
    let (world, identity) = (World::new().await, pinned());
    let missing = google_account::ensure(&identity, &world.context)
        .await
        .unwrap_err();
    assert_eq!(missing.reason, Reason::Missing);
    assert_eq!(world.written(0), Vec::<String>::new());
    world.create_foreign_account("alice-ml");
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    policies::bind(&identity, &world.context).await.unwrap();
    let email = identity.spec.google_service_account.as_deref().unwrap();
    world
        .context
        .gcp
        .disable_service_account("acme-identities", email)
        .await
        .unwrap();
    let disabled = google_account::ensure(&identity, &world.context)
        .await
        .unwrap_err();
    assert!(
        disabled.message.contains("disabled"),
        "{}",
        disabled.message
    );
}

#[tokio::test]
async fn in_mode_direct_the_ksa_itself_gets_the_grants_by_its_uid() {
    let (world, identity) = (World::new().await, direct());
    policies::grant(&identity, &world.context, &folder(&identity))
        .await
        .unwrap();
    let member = principal::member_by_uid("123", "acme", "u-1");
    assert!(world.has(&folder(&identity), USER, &member).await);
}

#[tokio::test]
async fn a_missing_pool_has_its_own_reason() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    identity.spec.cluster = "projects/acme-identities/locations/l/clusters/c".into();
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let failure = policies::bind(&identity, &world.context).await.unwrap_err();
    assert_eq!(
        (failure.reason, failure.breaks),
        (Reason::PoolMissing, false)
    );
}

#[tokio::test]
async fn the_limit_of_an_admin_is_respected_without_a_call_to_google() {
    let mut world = World::new().await;
    world.context.config.accounts_per_project = Some(1);
    world.context.quotas.set_count("acme-identities", 1);
    let failure = google_account::ensure(&fixtures::identity(), &world.context)
        .await
        .unwrap_err();
    assert_eq!(
        (failure.reason, failure.retry),
        (Reason::QuotaExhausted, Retry::Slowly)
    );
    assert!(failure.message.contains("1 of 1"), "{}", failure.message);
    assert_eq!(world.written(0), Vec::<String>::new());
}

#[tokio::test]
async fn after_google_called_a_project_full_the_broker_does_not_ask_for_each_user() {
    let world = World::new().await;
    world
        .emulator
        .state()
        .change_settings(|s| s.limits.service_accounts = Some(0))
        .unwrap();
    for user in 0..5 {
        let identity = shared(&format!("user{user}@acme.com"));
        let failure = google_account::ensure(&identity, &world.context)
            .await
            .unwrap_err();
        assert_eq!(
            (failure.reason, failure.retry),
            (Reason::QuotaExhausted, Retry::Slowly)
        );
        assert!(
            failure.message.contains("whenFull") || user == 0,
            "{}",
            failure.message
        );
    }
    assert_eq!(world.written(0).len(), 1);
    // Somebody deleted accounts, and the next count shows it.
    world
        .emulator
        .state()
        .change_settings(|s| s.limits.service_accounts = Some(9))
        .unwrap();
    world.context.quotas.add_created("acme-identities");
    google_account::ensure(&shared("user9@acme.com"), &world.context)
        .await
        .unwrap();
}

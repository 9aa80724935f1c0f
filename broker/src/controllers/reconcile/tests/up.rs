//! Bringing an identity up.

use super::*;
use crate::google::principal;
use crate::identity::conditions::Finding;
use crate::identity::reason::ConditionReason;
use namesake_api::IdentityStatus;
use namesake_api::names::GOOGLE_ACCOUNT_READY;

const USER: &str = "roles/storage.objectUser";

#[tokio::test]
async fn an_account_is_made_once_and_carries_our_mark() {
    let (world, identity) = (World::new().await, fixtures::identity());
    let made = google::find(&identity, &world.context).await.unwrap();
    let found = google::find(&identity, &world.context).await.unwrap();
    assert!(made.repaired && !found.repaired);
    assert_eq!(made.google_id, found.google_id);
    let email = identity.spec.google_service_account.as_deref().unwrap();
    let account = world
        .context
        .gcp
        .get_service_account("acme-identities", email)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(account.description, google::mark(&identity).unwrap());
    assert_eq!(account.display_name, "alice@acme.com (research)");
}

#[tokio::test]
async fn an_account_of_somebody_else_is_a_conflict_and_stays_as_it_is() {
    let (world, identity) = (World::new().await, fixtures::identity());
    world.others(&identity.name_any());
    let before = world.last();
    let failure = google::find(&identity, &world.context).await.unwrap_err();
    assert_eq!(
        (failure.reason, failure.retry, failure.breaks),
        ("Conflict", Retry::Slowly, true)
    );
    assert!(
        failure.message.contains("billing") && failure.message.contains("delete it"),
        "{}",
        failure.message
    );
    assert_eq!(world.written(before), Vec::<String>::new());
}

#[tokio::test]
async fn a_disabled_account_of_ours_is_enabled_again() {
    let (world, identity) = (World::new().await, fixtures::identity());
    google::find(&identity, &world.context).await.unwrap();
    let email = identity.spec.google_service_account.as_deref().unwrap();
    world
        .context
        .gcp
        .disable_service_account("acme-identities", email)
        .await
        .unwrap();
    assert!(
        google::find(&identity, &world.context)
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
async fn who_comes_back_is_enabled_also_when_google_shows_the_account_as_it_was_before() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google::find(&identity, &world.context).await.unwrap();
    let enabled = |lines: Vec<String>| lines.iter().any(|line| line.contains(":enable"));
    let before = world.last();
    google::find(&identity, &world.context).await.unwrap();
    assert!(!enabled(world.written(before)), "nobody had disabled it");
    // The status says that we disabled it; a replica of Google's shows that it is enabled.
    for reason in [
        ConditionReason::Disabled,
        ConditionReason::Disabling,
        ConditionReason::Throttled,
    ] {
        let mut status = IdentityStatus {
            google_service_account_id: Some("1".into()),
            ..IdentityStatus::default()
        };
        let disabled = Finding::fails(GOOGLE_ACCOUNT_READY, reason, "it is disabled, or may be");
        let (mode, now) = (identity.spec.mode, jiff::Timestamp::UNIX_EPOCH);
        crate::identity::conditions::record(&mut status, None, mode, &[disabled], now);
        identity.status = Some(status);
        let before = world.last();
        google::find(&identity, &world.context).await.unwrap();
        assert!(enabled(world.written(before)), "{reason}");
    }
}

#[tokio::test]
async fn an_account_that_google_does_not_show_yet_is_waited_for() {
    let (world, identity) = (World::new().await, fixtures::identity());
    let state = world.emulator.state();
    state
        .change_settings(|s| s.delays.service_account_get = 3600.0)
        .unwrap();
    google::find(&identity, &world.context).await.unwrap();
    let unseen = google::see(&identity, &world.context).await.unwrap_err();
    assert_eq!((unseen.reason, unseen.breaks), ("NotYetVisible", false));
    // A restart looks again, and finds that it was made already.
    let again = google::find(&identity, &world.context).await.unwrap_err();
    assert_eq!(again.reason, "NotYetVisible");
    state
        .change_settings(|s| s.delays.service_account_get = 0.0)
        .unwrap();
    let state = world.emulator.state().clock();
    state.advance(jiff::SignedDuration::from_hours(1));
    google::see(&identity, &world.context).await.unwrap();
}

#[tokio::test]
async fn binding_and_grants_are_written_once() {
    let (world, identity) = (World::new().await, fixtures::identity());
    google::find(&identity, &world.context).await.unwrap();
    assert!(bind_and_grant(&world, &identity).await);
    let before = world.last();
    assert!(!bind_and_grant(&world, &identity).await);
    assert_eq!(world.written(before), Vec::<String>::new());
    let binding = principal::binding(&identity);
    assert!(
        world
            .has(
                &account(&identity),
                google::WORKLOAD_IDENTITY_USER,
                &binding
            )
            .await
    );
    assert!(
        world
            .has(&folder(&identity), USER, &member(&identity))
            .await
    );
}

async fn bind_and_grant(world: &World, identity: &Identity) -> bool {
    let bound = google::bind(identity, &world.context).await.unwrap();
    let granted = google::grant(identity, &world.context, &folder(identity))
        .await
        .unwrap();
    bound.repaired && granted.repaired
}

#[tokio::test]
async fn what_others_have_in_a_policy_stays() {
    let (world, identity) = (World::new().await, fixtures::identity());
    google::find(&identity, &world.context).await.unwrap();
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
        google::find(identity, &world.context).await.unwrap();
    }
    let before = world.last();
    let grants = identities
        .iter()
        .map(|identity| google::grant(identity, &world.context, &bucket));
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
    let mut ask = fixtures::ask();
    ask.user = user.to_owned();
    ask.values.insert("user".into(), user.to_owned());
    let derived = crate::identity::derive::identity(&fixtures::rules(), &ask).unwrap();
    let mut identity = crate::identity::objects::identity("research", &derived.name, derived.spec);
    for grant in &mut identity.spec.grants {
        grant.folder = None;
    }
    identity
}

#[tokio::test]
async fn a_pin_that_is_missing_or_disabled_says_so_and_nothing_is_made() {
    let (world, identity) = (World::new().await, pinned());
    let missing = google::find(&identity, &world.context).await.unwrap_err();
    assert_eq!(missing.reason, "Missing");
    assert_eq!(world.written(0), Vec::<String>::new());
    world.others("alice-ml");
    google::find(&identity, &world.context).await.unwrap();
    google::bind(&identity, &world.context).await.unwrap();
    let email = identity.spec.google_service_account.as_deref().unwrap();
    world
        .context
        .gcp
        .disable_service_account("acme-identities", email)
        .await
        .unwrap();
    let disabled = google::find(&identity, &world.context).await.unwrap_err();
    assert!(
        disabled.message.contains("disabled"),
        "{}",
        disabled.message
    );
}

#[tokio::test]
async fn in_direct_mode_the_account_itself_is_granted_by_its_uid() {
    let (world, identity) = (World::new().await, direct());
    google::grant(&identity, &world.context, &folder(&identity))
        .await
        .unwrap();
    let member = principal::by_uid("123", "acme", "u-1");
    assert!(world.has(&folder(&identity), USER, &member).await);
}

#[tokio::test]
async fn a_pool_that_is_missing_is_named() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    identity.spec.cluster = "projects/acme-identities/locations/l/clusters/c".into();
    google::find(&identity, &world.context).await.unwrap();
    let failure = google::bind(&identity, &world.context).await.unwrap_err();
    assert_eq!((failure.reason, failure.breaks), ("PoolMissing", false));
}

fn granting(grant: namesake_api::Grant) -> Identity {
    let mut identity = fixtures::identity();
    identity.spec.grants = vec![grant];
    identity
}

fn on_bucket(bucket: &str) -> namesake_api::Grant {
    namesake_api::Grant {
        role: USER.into(),
        bucket: Some(bucket.into()),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_prefix_is_given_by_a_condition_and_taken_back_with_it() {
    let world = World::new().await;
    let identity = granting(namesake_api::Grant {
        prefix: Some("users/a/".into()),
        ..on_bucket("acme-mf")
    });
    google::find(&identity, &world.context).await.unwrap();
    let bucket = folder(&identity);
    google::grant(&identity, &world.context, &bucket)
        .await
        .unwrap();
    let condition = crate::google::grants::condition(&identity.spec.grants[0]);
    let policy = world.context.gcp.policy(&bucket).await.unwrap();
    assert!(policy.has(USER, &member(&identity), condition.as_ref()));
    assert!(!policy.has(USER, &member(&identity), None));
    leave::take_down(&identity, &world.context).await.unwrap();
    let policy = world.context.gcp.policy(&bucket).await.unwrap();
    assert!(policy.members(USER).next().is_none());
}

#[tokio::test]
async fn a_role_on_oneself_is_in_the_policy_of_the_own_account() {
    let world = World::new().await;
    let mut identity = granting(namesake_api::Grant::default());
    let role = "roles/iam.serviceAccountTokenCreator";
    identity.spec.grants[0].role = role.into();
    identity.spec.grants[0].service_account = identity.spec.google_service_account.clone();
    google::find(&identity, &world.context).await.unwrap();
    google::grant(&identity, &world.context, &account(&identity))
        .await
        .unwrap();
    assert!(
        world
            .has(&account(&identity), role, &member(&identity))
            .await
    );
}

#[tokio::test]
async fn a_role_that_the_broker_may_not_give_is_given_by_no_rule() {
    let world = World::new().await;
    let identity = granting(namesake_api::Grant {
        role: "roles/storage.admin".into(),
        ..on_bucket("acme-mf")
    });
    let failure = google::grant(&identity, &world.context, &folder(&identity))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.reason, failure.retry),
        ("RoleNotAllowed", Retry::Slowly)
    );
    assert_eq!(world.asked(0), Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_that_is_missing_or_not_uniform_is_named_and_nothing_is_written() {
    let world = World::new().await;
    let loose = json!({"name": "loose", "project": "acme", "uniformBucketLevelAccess": false});
    world.seed(json!({"buckets": [loose]}));
    for (bucket, reason) in [("loose", "NotUniform"), ("nowhere", "BucketMissing")] {
        let identity = granting(on_bucket(bucket));
        let failure = google::grant(&identity, &world.context, &folder(&identity))
            .await
            .unwrap_err();
        assert_eq!((failure.reason, failure.retry), (reason, Retry::Slowly));
        assert!(failure.message.contains(bucket), "{}", failure.message);
    }
    assert_eq!(world.written(0), Vec::<String>::new());
}

#[tokio::test]
async fn what_an_admin_says_a_project_holds_is_kept_to_before_google_is_asked() {
    let mut world = World::new().await;
    world.context.config.accounts_per_project = Some(1);
    world.context.quota.counted("acme-identities", 1);
    let failure = google::find(&fixtures::identity(), &world.context)
        .await
        .unwrap_err();
    assert_eq!(
        (failure.reason, failure.retry),
        ("QuotaExhausted", Retry::Slowly)
    );
    assert!(failure.message.contains("1 of 1"), "{}", failure.message);
    assert_eq!(world.written(0), Vec::<String>::new());
}

#[tokio::test]
async fn once_google_has_said_that_a_project_is_full_it_is_not_asked_for_each_user() {
    let world = World::new().await;
    world
        .emulator
        .state()
        .change_settings(|s| s.limits.service_accounts = Some(0))
        .unwrap();
    for user in 0..5 {
        let identity = shared(&format!("user{user}@acme.com"));
        let failure = google::find(&identity, &world.context).await.unwrap_err();
        assert_eq!(
            (failure.reason, failure.retry),
            ("QuotaExhausted", Retry::Slowly)
        );
        assert!(
            failure.message.contains("whenFull") || user == 0,
            "{}",
            failure.message
        );
    }
    assert_eq!(world.written(0).len(), 1);
    // Somebody made room, and the next count sees it.
    world
        .emulator
        .state()
        .change_settings(|s| s.limits.service_accounts = Some(9))
        .unwrap();
    world.context.quota.created("acme-identities");
    google::find(&shared("user9@acme.com"), &world.context)
        .await
        .unwrap();
}

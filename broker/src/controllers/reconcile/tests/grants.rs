//! Grants on prefixes, on the own account, and on buckets that the broker must not use.

use super::*;

const USER: &str = "roles/storage.objectUser";

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
async fn a_prefix_is_granted_with_a_condition_and_revoked_with_it() {
    let world = World::new().await;
    let identity = granting(namesake_api::Grant {
        prefix: Some("users/a/".into()),
        ..on_bucket("acme-mf")
    });
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let bucket = folder(&identity);
    policies::grant(&identity, &world.context, &bucket)
        .await
        .unwrap();
    let condition = crate::google::grants::condition(&identity.spec.grants[0]);
    let policy = world.context.gcp.policy(&bucket).await.unwrap();
    assert!(policy.has(USER, &member(&identity), condition.as_ref()));
    assert!(!policy.has(USER, &member(&identity), None));
    delete_at_google(&identity, &world.context).await.unwrap();
    let policy = world.context.gcp.policy(&bucket).await.unwrap();
    assert!(policy.members(USER).next().is_none());
}

#[tokio::test]
async fn a_role_on_the_own_account_is_in_its_policy() {
    let world = World::new().await;
    let mut identity = granting(namesake_api::Grant::default());
    let role = "roles/iam.serviceAccountTokenCreator";
    identity.spec.grants[0].role = role.into();
    identity.spec.grants[0].service_account = identity.spec.google_service_account.clone();
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    policies::grant(&identity, &world.context, &account(&identity))
        .await
        .unwrap();
    assert!(
        world
            .has(&account(&identity), role, &member(&identity))
            .await
    );
}

#[tokio::test]
async fn a_role_that_the_broker_may_not_grant_is_never_granted() {
    let world = World::new().await;
    let identity = granting(namesake_api::Grant {
        role: "roles/storage.admin".into(),
        ..on_bucket("acme-mf")
    });
    let failure = policies::grant(&identity, &world.context, &folder(&identity))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.reason, failure.retry),
        (Reason::RoleNotAllowed, Retry::Slowly)
    );
    assert_eq!(world.requests(0), Vec::<String>::new());
}

#[tokio::test]
async fn a_missing_or_not_uniform_bucket_is_named_and_nothing_is_written() {
    let world = World::new().await;
    let loose = json!({"name": "loose", "project": "acme", "uniformBucketLevelAccess": false});
    world.seed(json!({"buckets": [loose]}));
    for (bucket, reason) in [
        ("loose", Reason::NotUniform),
        ("nowhere", Reason::BucketMissing),
    ] {
        let identity = granting(on_bucket(bucket));
        let failure = policies::grant(&identity, &world.context, &folder(&identity))
            .await
            .unwrap_err();
        assert_eq!((failure.reason, failure.retry), (reason, Retry::Slowly));
        assert!(failure.message.contains(bucket), "{}", failure.message);
    }
    assert_eq!(world.written(0), Vec::<String>::new());
}

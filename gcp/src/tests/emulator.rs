//! The client against the emulator: the lifecycle of an identity, with Google's delays, faults and answers.

use super::world::{KSA, MARK, POOL, USE, World, audit_config};
use super::*;
use crate::Resource;

const OBJECTS: &str = "roles/storage.objectUser";

fn folder() -> Resource {
    Resource::ManagedFolder {
        bucket: "acme-mf".to_owned(),
        folder: "users/alice-key/".to_owned(),
    }
}

#[tokio::test]
async fn an_identity_is_created_bound_granted_and_proven() {
    let world = World::start().await;
    let gcp = &world.gcp;
    let created = world.create().await.unwrap();
    assert_eq!(
        gcp.get_service_account("acme-ids", &created.email).await,
        Ok(Some(created.clone()))
    );
    assert_eq!(world.create().await.unwrap_err().kind(), "AlreadyExists");

    let federated = world.federated().await;
    let early = gcp
        .generate_access_token(&federated, &created.email)
        .await
        .unwrap_err();
    assert_eq!(early.kind(), "PermissionDenied");
    assert!(
        world
            .bind(&created.email)
            .await
            .unwrap()
            .has(USE, KSA, None)
    );
    let token = gcp
        .generate_access_token(&federated, &created.email)
        .await
        .unwrap();

    let wanted = ["storage.objects.create", "storage.objects.get"];
    let held = gcp.test_iam_permissions(&folder(), &token, &wanted).await;
    assert!(held.is_err() || held == Ok(vec![]), "{held:?}");
    let member = format!("serviceAccount:{}", created.email);
    let grant = |policy: &mut crate::Policy| policy.add(OBJECTS, &member, None);
    assert!(
        gcp.modify_policy(&folder(), grant)
            .await
            .unwrap()
            .has(OBJECTS, &member, None)
    );
    let held = gcp
        .test_iam_permissions(&folder(), &token, &wanted)
        .await
        .unwrap();
    assert_eq!(held, wanted);
    assert_eq!(gcp.bucket_has_uniform_access("acme-mf").await, Ok(true));
    assert_eq!(
        gcp.project_number("acme").await.as_deref(),
        Ok("123456789012")
    );
}

#[tokio::test]
async fn a_grant_on_a_project_keeps_its_audit_configs() {
    let world = World::start().await;
    let created = world.create().await.unwrap();
    let member = format!("serviceAccount:{}", created.email);
    let project = Resource::Project {
        id: "acme".to_owned(),
    };
    let grant = |policy: &mut crate::Policy| policy.add("roles/viewer", &member, None);
    world.gcp.modify_policy(&project, grant).await.unwrap();
    let policy = world.gcp.policy(&project).await.unwrap();
    assert!(policy.has("roles/viewer", &member, None));
    assert_eq!(policy.to_json()["auditConfigs"], json!([audit_config()]));
}

#[tokio::test]
async fn a_grant_on_project_and_bucket_keeps_the_other_bindings() {
    let world = World::start().await;
    let created = world.create().await.unwrap();
    let member = format!("serviceAccount:{}", created.email);
    let project = Resource::Project {
        id: "acme".to_owned(),
    };
    let bucket = Resource::Bucket {
        name: "acme-mf".to_owned(),
    };
    for (resource, role) in [(project, "roles/viewer"), (bucket, OBJECTS)] {
        let before = world.gcp.policy(&resource).await.unwrap();
        let after = world
            .gcp
            .modify_policy(&resource, |p| p.add(role, &member, None))
            .await
            .unwrap();
        assert_eq!(
            after.member_count(),
            before.member_count() + 1,
            "{resource}"
        );
        let undone = world
            .gcp
            .modify_policy(&resource, |p| p.remove_member(&member))
            .await
            .unwrap();
        assert_eq!(undone.member_count(), before.member_count(), "{resource}");
        assert_ne!(undone.etag(), before.etag());
    }
}

#[tokio::test]
async fn a_new_account_becomes_visible_to_one_service_after_another() {
    let world = World::start().await;
    world.settings(
        &json!({"delays": {"serviceAccountGet": 30, "serviceAccountMember": 60, "policy": 120}}),
    );
    let created = world.create().await.unwrap();
    assert_eq!(
        world
            .gcp
            .get_service_account("acme-ids", &created.email)
            .await,
        Ok(None)
    );
    world.pass(31);
    assert!(
        world
            .gcp
            .get_service_account("acme-ids", &created.email)
            .await
            .unwrap()
            .is_some()
    );

    let member = format!("serviceAccount:{}", created.email);
    let grant = |policy: &mut crate::Policy| policy.add(OBJECTS, &member, None);
    let early = world.gcp.modify_policy(&folder(), grant).await.unwrap_err();
    assert_eq!(early.kind(), "NotYetVisible", "{early}");
    world.pass(30);
    world.gcp.modify_policy(&folder(), grant).await.unwrap();

    world.bind(&created.email).await.unwrap();
    let federated = world.federated().await;
    let early = world
        .gcp
        .generate_access_token(&federated, &created.email)
        .await
        .unwrap_err();
    assert_eq!(early.kind(), "PermissionDenied");
    world.pass(121);
    world
        .gcp
        .generate_access_token(&federated, &created.email)
        .await
        .unwrap();
}

#[tokio::test]
async fn lost_answers_lose_and_duplicate_nothing() {
    let world = World::start().await;
    let create = "/v1/projects/acme-ids/serviceAccounts";
    world.fault(json!({"method": "POST", "path": create, "applied": true, "answer": "cut"}));
    let created = world.create().await.unwrap();
    world.fault(json!({"path": "*:getIamPolicy", "answer": {"status": {"code": 503}}}));
    world.fault(
        json!({"path": "*:setIamPolicy", "applied": true, "answer": {"status": {"code": 503}}}),
    );
    world.bind(&created.email).await.unwrap();
    let member = format!("serviceAccount:{}", created.email);
    world.fault(
        json!({"method": "PUT", "path": "/storage/v1/*/iam", "applied": true, "answer": "cut"}),
    );
    let grant = |policy: &mut crate::Policy| policy.add(OBJECTS, &member, None);
    let policy = world.gcp.modify_policy(&folder(), grant).await.unwrap();
    assert_eq!(
        policy.members(OBJECTS).collect::<Vec<_>>(),
        [member.as_str()]
    );
    assert_eq!(
        world.gcp.list_service_accounts("acme-ids").await.unwrap(),
        std::slice::from_ref(&created)
    );
    world.fault(json!({"method": "DELETE", "path": "*", "applied": true, "answer": {"status": {"code": 503}}}));
    world
        .gcp
        .delete_service_account("acme-ids", &created.unique_id)
        .await
        .unwrap();
    assert_eq!(
        world
            .gcp
            .get_service_account("acme-ids", &created.email)
            .await,
        Ok(None)
    );
}

#[tokio::test]
async fn many_writers_of_one_policy_lose_no_member() {
    let world = World::start().await;
    let created = world.create().await.unwrap();
    let account = Resource::ServiceAccount {
        email: created.email,
    };
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (gcp, account) = (world.gcp.clone(), account.clone());
        writers.spawn(async move {
            let member = format!("serviceAccount:{POOL}[research/ksa-{n}]");
            gcp.modify_policy(&account, |policy| policy.add(USE, &member, None))
                .await
        });
    }
    for done in writers.join_all().await {
        done.unwrap();
    }
    assert_eq!(world.gcp.policy(&account).await.unwrap().member_count(), 8);
}

#[tokio::test]
async fn a_rate_limit_and_a_used_up_count_are_distinguished() {
    let world = World::start().await;
    world.settings(&json!({"limits": {"createsPerMinute": 1}}));
    world.create().await.unwrap();
    // A new client each time, because a client remembers what it learned about rates.
    let second = async || {
        let gcp = world.gcp.with_rate_limits(crate::RateLimits::default());
        gcp.create_service_account("acme-ids", "mf-second", "", MARK)
            .await
    };
    let error = second().await.unwrap_err();
    assert_eq!(error.kind(), "Throttled", "{error}");
    assert!(error.retry_after().is_some());
    world.settings(&json!({"limits": {"createsPerMinute": null, "serviceAccounts": 1}}));
    let error = second().await.unwrap_err();
    assert_eq!(error.kind(), "QuotaExhausted", "{error}");
}

#[tokio::test]
async fn an_undeleted_account_is_the_same_and_a_new_one_of_its_name_is_not() {
    let world = World::start().await;
    let gcp = &world.gcp;
    let first = world.create().await.unwrap();
    let member = format!("serviceAccount:{}", first.email);
    let bucket = Resource::Bucket {
        name: "acme-mf".to_owned(),
    };
    gcp.modify_policy(&bucket, |p| p.add(OBJECTS, &member, None))
        .await
        .unwrap();
    gcp.disable_service_account("acme-ids", &first.email)
        .await
        .unwrap();
    gcp.delete_service_account("acme-ids", &first.unique_id)
        .await
        .unwrap();
    let back = gcp
        .undelete_service_account("acme-ids", &first.unique_id)
        .await
        .unwrap();
    assert_eq!(back.unique_id, first.unique_id);

    gcp.delete_service_account("acme-ids", &first.unique_id)
        .await
        .unwrap();
    let second = world.create().await.unwrap();
    assert_ne!(second.unique_id, first.unique_id);
    let left = gcp.policy(&bucket).await.unwrap();
    let stale = format!("deleted:{member}?uid={}", first.unique_id);
    assert!(left.members(OBJECTS).any(|m| m == stale));
    let fresh = gcp
        .modify_policy(&bucket, |p| p.add(OBJECTS, &member, None))
        .await
        .unwrap();
    assert!(!fresh.members(OBJECTS).any(|m| m == stale));
    assert!(fresh.has(OBJECTS, &member, None));
}

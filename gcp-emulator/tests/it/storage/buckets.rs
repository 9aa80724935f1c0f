//! Buckets and managed folders as resources.

use serde_json::{Value, json};

use crate::support::World;

#[tokio::test]
async fn a_buckets_policy_has_storages_shape_and_etags() {
    let world = World::new();
    let uri = "/storage/v1/b/acme-mf/iam";
    let policy = world
        .must(
            "GET",
            &format!("{uri}?alt=json&fields=bindings%2Cetag"),
            Value::Null,
        )
        .await;
    assert_eq!(
        (&policy["kind"], &policy["etag"]),
        (&json!("storage#policy"), &json!("CAE="))
    );
    assert_eq!(policy["resourceId"], "projects/_/buckets/acme-mf");
    let set = world.must("PUT", uri, policy.clone()).await;
    assert_eq!(set["etag"], "CAI=");
    let stale = world.ask(&world.admin, "PUT", uri, policy).await;
    assert_eq!(
        (stale.status, &stale.body["error"]["errors"][0]["reason"]),
        (412, &json!("conditionNotMet"))
    );
    assert!(stale.body["error"].get("status").is_none());
    let test = format!(
        "{uri}/testPermissions?permissions=storage.objects.get&permissions=storage.buckets.get&permissions=x.y.z"
    );
    let granted = world.must("GET", &test, Value::Null).await;
    assert_eq!(
        granted["permissions"],
        json!(["storage.objects.get", "storage.buckets.get"])
    );
    for _ in 0..4 {
        world.ask(&world.admin, "PUT", uri, set.clone()).await;
    }
    let quick = world.ask(&world.admin, "PUT", uri, json!({})).await;
    assert_eq!(
        (quick.status, &quick.body["error"]["errors"][0]["reason"]),
        (429, &json!("rateLimitExceeded"))
    );
    world.pass(1);
    assert_eq!(
        world.ask(&world.admin, "PUT", uri, json!({})).await.status,
        200
    );
}

#[tokio::test]
async fn managed_folders_need_uniform_access_and_a_good_name() {
    let world = World::new();
    let plain = world
        .must(
            "POST",
            "/storage/v1/b?project=acme",
            json!({"name": "plain"}),
        )
        .await;
    assert_eq!(
        plain["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"],
        false
    );
    let b = |bucket: &str| format!("/storage/v1/b/{bucket}/managedFolders");
    assert_eq!(
        world
            .ask(&world.admin, "POST", &b("plain"), json!({"name": "a/"}))
            .await
            .status,
        412
    );
    let uniform = json!({"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": true}}});
    world.must("PATCH", "/storage/v1/b/plain", uniform).await;
    for name in ["a/", "a/b/"] {
        assert_eq!(
            world.must("POST", &b("plain"), json!({"name": name})).await["name"],
            name
        );
    }
    assert_eq!(
        world
            .ask(&world.admin, "POST", &b("plain"), json!({"name": "a/"}))
            .await
            .status,
        409
    );
    for name in ["a", "/", "a//", "../", ""] {
        assert_eq!(
            world
                .ask(&world.admin, "POST", &b("plain"), json!({"name": name}))
                .await
                .status,
            400,
            "{name}"
        );
    }
}

#[tokio::test]
async fn managed_folders_are_listed_in_pages_and_deleted_when_empty() {
    let world = World::new();
    let folders = "/storage/v1/b/acme-mf/managedFolders";
    for name in ["a/", "a/b/"] {
        world.must("POST", folders, json!({"name": name})).await;
    }
    let page = world
        .must("GET", &format!("{folders}?pageSize=1"), Value::Null)
        .await;
    assert_eq!(
        (
            page["items"].as_array().unwrap().len(),
            &page["nextPageToken"]
        ),
        (1, &json!("a/"))
    );
    let inner = format!("{folders}/a%2F");
    assert_eq!(
        world
            .ask(&world.admin, "DELETE", &inner, Value::Null)
            .await
            .status,
        409
    );
    assert_eq!(
        world
            .ask(
                &world.admin,
                "DELETE",
                &format!("{inner}?allowNonEmpty=true"),
                Value::Null
            )
            .await
            .status,
        204
    );
    assert_eq!(
        world
            .ask(&world.admin, "GET", &inner, Value::Null)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn conditions_need_uniform_access_and_strangers_see_no_bucket() {
    let world = World::new();
    let condition = json!({"version": 3, "bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"],
        "condition": {"title": "t", "expression": "true"}}]});
    world
        .must(
            "POST",
            "/storage/v1/b?project=acme",
            json!({"name": "other"}),
        )
        .await;
    let refused = world
        .ask(&world.admin, "PUT", "/storage/v1/b/other/iam", condition)
        .await;
    assert!(
        refused.message().contains("uniform bucket-level access"),
        "{}",
        refused.message()
    );
    let mallory = world.state.user_token("mallory@acme.com");
    assert_eq!(
        world
            .ask(&mallory, "GET", "/storage/v1/b/acme-mf", Value::Null)
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_managed_folders_policy_holds_for_the_folders_inside_it() {
    let world = World::new();
    let folders = "/storage/v1/b/acme-mf/managedFolders";
    world
        .must("POST", folders, json!({"name": "users/alice/"}))
        .await;
    let policy = json!({"bindings": [{"role": "roles/storage.objectUser", "members": ["user:alice@acme.com"]}]});
    world
        .must("PUT", &format!("{folders}/users%2Falice%2F/iam"), policy)
        .await;
    let alice = world.state.user_token("alice@acme.com");
    let create = |name: &'static str| world.ask(&alice, "POST", folders, json!({"name": name}));
    assert_eq!(create("users/alice/deep/").await.status, 200);
    assert_eq!(create("users/bob/").await.status, 403);
    let inner = format!("{folders}/users%2Falice%2Fdeep%2F/iam");
    let refused = world.ask(&alice, "PUT", &inner, json!({})).await;
    assert_eq!(refused.status, 403, "objectUser sets no policies");
}

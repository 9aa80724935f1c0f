//! Buckets and managed folders as resources.

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn a_buckets_policy_has_the_form_and_etags_of_storage() {
    let world = World::new();
    let uri = "/storage/v1/b/acme-mf/iam";
    let policy = world
        .get(&format!("{uri}?alt=json&fields=bindings%2Cetag"))
        .await;
    assert_eq!(
        (&policy["kind"], &policy["etag"]),
        (&json!("storage#policy"), &json!("CAE="))
    );
    assert_eq!(policy["resourceId"], "projects/_/buckets/acme-mf");
    let set = world.put(uri, policy.clone()).await;
    assert_eq!(set["etag"], "CAI=");
    let stale = world.admin.put(uri, policy).await;
    assert_eq!(
        (stale.status, &stale.body["error"]["errors"][0]["reason"]),
        (412, &json!("conditionNotMet"))
    );
    assert!(stale.body["error"].get("status").is_none());
    let test = format!(
        "{uri}/testPermissions?permissions=storage.objects.get&permissions=storage.buckets.get&permissions=x.y.z"
    );
    let granted = world.get(&test).await;
    assert_eq!(
        granted["permissions"],
        json!(["storage.objects.get", "storage.buckets.get"])
    );
    for _ in 0..4 {
        world.admin.put(uri, set.clone()).await;
    }
    let quick = world.admin.put(uri, json!({})).await;
    assert_eq!(
        (quick.status, &quick.body["error"]["errors"][0]["reason"]),
        (429, &json!("rateLimitExceeded"))
    );
    world.pass(1);
    world.admin.put(uri, json!({})).await.ok();
}

#[tokio::test]
async fn managed_folders_need_uniform_access_and_a_valid_name() {
    let world = World::new();
    let plain = world
        .post("/storage/v1/b?project=acme", json!({"name": "plain"}))
        .await;
    assert_eq!(
        plain["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"],
        false
    );
    let b = |bucket: &str| format!("/storage/v1/b/{bucket}/managedFolders");
    world
        .admin
        .post(&b("plain"), json!({"name": "a/"}))
        .await
        .refused(412);
    let uniform = json!({"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": true}}});
    world.patch("/storage/v1/b/plain", uniform).await;
    for name in ["a/", "a/b/"] {
        assert_eq!(
            world.post(&b("plain"), json!({"name": name})).await["name"],
            name
        );
    }
    world
        .admin
        .post(&b("plain"), json!({"name": "a/"}))
        .await
        .refused(409);
    for name in ["a", "/", "a//", "../", ""] {
        world
            .admin
            .post(&b("plain"), json!({"name": name}))
            .await
            .refused(400);
    }
}

#[tokio::test]
async fn managed_folders_are_listed_in_pages_and_deleted_when_empty() {
    let world = World::new();
    let folders = "/storage/v1/b/acme-mf/managedFolders";
    for name in ["a/", "a/b/"] {
        world.post(folders, json!({"name": name})).await;
    }
    let page = world.get(&format!("{folders}?pageSize=1")).await;
    assert_eq!(
        (
            page["items"].as_array().unwrap().len(),
            &page["nextPageToken"]
        ),
        (1, &json!("a/"))
    );
    let inner = format!("{folders}/a%2F");
    world.admin.delete(&inner).await.refused(409);
    let deleted = world
        .admin
        .delete(&format!("{inner}?allowNonEmpty=true"))
        .await;
    assert_eq!(deleted.status, 204);
    world.admin.get(&inner).await.refused(404);
}

#[tokio::test]
async fn conditions_need_uniform_access_and_buckets_a_grant() {
    let world = World::new();
    let condition = json!({"version": 3, "bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"],
        "condition": {"title": "t", "expression": "true"}}]});
    world
        .post("/storage/v1/b?project=acme", json!({"name": "other"}))
        .await;
    let refused = world.admin.put("/storage/v1/b/other/iam", condition).await;
    assert!(
        refused.message().contains("uniform bucket-level access"),
        "{}",
        refused.message()
    );
    let mallory = world.user("mallory@acme.com");
    mallory.get("/storage/v1/b/acme-mf").await.refused(403);
}

#[tokio::test]
async fn a_managed_folders_policy_applies_to_the_folders_in_it() {
    let world = World::new();
    let folders = "/storage/v1/b/acme-mf/managedFolders";
    world.post(folders, json!({"name": "users/alice/"})).await;
    let policy = json!({"bindings": [{"role": "roles/storage.objectUser", "members": ["user:alice@acme.com"]}]});
    world
        .put(&format!("{folders}/users%2Falice%2F/iam"), policy)
        .await;
    let alice = world.user("alice@acme.com");
    let create = |name: &'static str| alice.post(folders, json!({"name": name}));
    create("users/alice/deep/").await.ok();
    create("users/bob/").await.refused(403);
    let inner = format!("{folders}/users%2Falice%2Fdeep%2F/iam");
    alice.put(&inner, json!({})).await.refused(403);
}

#[tokio::test]
async fn a_bucket_keeps_the_settings_that_a_client_writes() {
    let world = World::new();
    let rule = json!({"action": {"type": "Delete"}, "condition": {"numNewerVersions": 50, "isLive": false}});
    let wanted = json!({
        "name": "acme-state", "location": "europe-west4", "storageClass": "STANDARD",
        "versioning": {"enabled": true}, "lifecycle": {"rule": [rule]}, "labels": {"stack": "blue", "owner": "ml"},
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": true}, "publicAccessPrevention": "enforced"},
        "softDeletePolicy": {"retentionDurationSeconds": 864_000}, "encryption": {"defaultKmsKeyName": "k"},
    });
    let created = world
        .post("/storage/v1/b?project=acme", wanted.clone())
        .await;
    let uri = "/storage/v1/b/acme-state";
    assert_eq!(world.get(uri).await, created);
    for key in [
        "versioning",
        "lifecycle",
        "labels",
        "storageClass",
        "encryption",
    ] {
        assert_eq!(created[key], wanted[key], "{key}");
    }
    assert_eq!(
        (&created["location"], &created["locationType"]),
        (&json!("EUROPE-WEST4"), &json!("region"))
    );
    assert_eq!(
        created["iamConfiguration"]["publicAccessPrevention"],
        "enforced"
    );
    assert_eq!(
        created["softDeletePolicy"]["retentionDurationSeconds"],
        "864000"
    );

    let change = json!({"labels": {"owner": null, "team": "x"}, "encryption": null, "softDeletePolicy": null});
    let changed = world.patch(uri, change).await;
    assert_eq!(changed["labels"], json!({"stack": "blue", "team": "x"}));
    assert_eq!(
        changed["softDeletePolicy"]["retentionDurationSeconds"],
        "604800"
    );
    assert_eq!(changed.get("encryption"), None);
    assert_eq!(changed["metageneration"], "2");
    for (key, value) in created.as_object().unwrap() {
        let is_changed = [
            "labels",
            "encryption",
            "softDeletePolicy",
            "metageneration",
            "updated",
        ]
        .contains(&key.as_str());
        assert!(is_changed || changed[key] == *value, "{key}");
    }
}

#[tokio::test]
async fn the_account_of_storage_itself_can_be_read() {
    let world = World::new();
    let account = world.get("/storage/v1/projects/acme/serviceAccount").await;
    let email = "service-123456789012@gs-project-accounts.iam.gserviceaccount.com";
    assert_eq!(account["email_address"], email);
    let bob = world.user("bob@acme.com");
    bob.get("/storage/v1/projects/acme/serviceAccount")
        .await
        .refused(403);
}

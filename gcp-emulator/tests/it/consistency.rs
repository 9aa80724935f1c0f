//! Delays, stale reads and quotas.

use serde_json::{Value, json};

use crate::support::{ALICE, GSAS, World};

const USER: &str = "roles/iam.workloadIdentityUser";

#[tokio::test]
async fn a_new_account_becomes_visible_to_each_method_after_its_own_delay() {
    let world = World::new();
    let delays = json!({"serviceAccountGet": 10, "serviceAccountList": 20, "serviceAccountMember": 30,
        "serviceAccountCredentials": 40});
    world.change_settings(json!({ "delays": delays })).await;
    let target = world.account("mf-target").await;
    world.pass(60);
    let email = world.account("mf-alice-1").await;
    let uri = format!("{GSAS}/{email}");
    world
        .admin
        .post(GSAS, json!({"accountId": "mf-alice-1"}))
        .await
        .refused(409);
    world.admin.get(&uri).await.refused(404);
    world.pass(11);
    world.get(&uri).await;
    let listed = |page: &Value| page["accounts"].as_array().map_or(0, Vec::len);
    assert_eq!(listed(&world.get(GSAS).await), 1);
    world.bind(&email, USER, &ALICE.member()).await;
    let member = json!({"policy": {"bindings": [{"role": USER, "members": [format!("serviceAccount:{email}")]}]}});
    let set = format!("{GSAS}/{target}:setIamPolicy");
    let early = world.admin.post(&set, member.clone()).await;
    assert_eq!(
        (early.status, early.message()),
        (
            400,
            format!("Service account {email} does not exist.").as_str()
        )
    );
    world.pass(10);
    assert_eq!(listed(&world.get(GSAS).await), 2);
    let federated = world.federated(&ALICE).await;
    world.impersonate(&federated, &email).await.refused(404);
    world.pass(10);
    world.post(&set, member).await;
    world.pass(10);
    world.impersonate(&federated, &email).await.ok();
}

#[tokio::test]
async fn a_grant_and_its_revocation_take_effect_after_the_delay() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    world
        .change_settings(json!({"delays": {"policy": 120, "policyRead": 5}}))
        .await;
    let federated = world.federated(&ALICE).await;
    let set = world.bind(&email, USER, &ALICE.member()).await;
    let read = format!("{GSAS}/{email}:getIamPolicy");
    assert_eq!(world.post(&read, json!({})).await, json!({"etag": "ACAB"}));
    world.pass(6);
    assert_eq!(world.post(&read, json!({})).await, set);
    world.impersonate(&federated, &email).await.refused(403);
    world.pass(120);
    world.impersonate(&federated, &email).await.ok();
    world
        .post(
            &format!("{GSAS}/{email}:setIamPolicy"),
            json!({"policy": {}}),
        )
        .await;
    world.pass(60);
    world.impersonate(&federated, &email).await.ok();
    world.pass(61);
    world.impersonate(&federated, &email).await.refused(403);
}

#[tokio::test]
async fn with_several_replicas_a_visible_change_may_disappear_again() {
    let world = World::new();
    world
        .change_settings(json!({"replicas": 4, "delays": {"serviceAccountGet": 40}}))
        .await;
    let uri = format!("{GSAS}/{}", world.account("mf-alice-1").await);
    world.pass(20);
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(world.admin.get(&uri).await.status);
    }
    let flip = statuses.windows(2).any(|pair| pair == [200, 404]);
    assert!(flip, "{statuses:?}");
    world.pass(21);
    for _ in 0..40 {
        world.get(&uri).await;
    }
}

#[tokio::test]
async fn a_change_of_an_account_becomes_visible_after_the_delay() {
    let world = World::new();
    let uri = format!("{GSAS}/{}", world.account("mf-alice-1").await);
    world
        .change_settings(json!({"delays": {"serviceAccountUpdate": 10, "serviceAccountState": 30}}))
        .await;
    world.pass(60);
    world.post(&format!("{uri}:disable"), json!({})).await;
    assert!(world.get(&uri).await.get("disabled").is_none());
    world.pass(11);
    assert_eq!(world.get(&uri).await["disabled"], true);
    world.delete(&uri).await;
    world.get(&uri).await;
    world.pass(11);
    world.admin.get(&uri).await.refused(404);
}

#[tokio::test]
async fn a_new_pool_becomes_visible_after_the_delay() {
    let world = World::new();
    world.change_settings(json!({"delays": {"pool": 30}})).await;
    let email = world.account("mf-alice-1").await;
    let jwks = crate::support::Issuer::new().jwks();
    let pool = json!({"project": "acme-identities", "issuer": "https://other", "jwks": jwks});
    world
        .put("/emulator/v1/pools/acme-identities.svc.id.goog", pool)
        .await;
    let member = "serviceAccount:acme-identities.svc.id.goog[a/b]";
    let policy = json!({"policy": {"bindings": [{"role": USER, "members": [member]}]}});
    let set = format!("{GSAS}/{email}:setIamPolicy");
    let early = world.admin.post(&set, policy.clone()).await;
    assert!(
        early
            .message()
            .starts_with("Identity Pool does not exist (acme-identities.svc.id.goog)")
    );
    world.pass(31);
    world.post(&set, policy).await;
}

#[tokio::test]
async fn a_used_up_quota_is_refused_in_googles_words_with_a_delay() {
    let world = World::new();
    world.change_settings(json!({"limits": {"createsPerMinute": 2, "serviceAccounts": 3, "writesPerMinute": null}}),
    )
    .await;
    world.account("mf-user-1").await;
    world.account("mf-user-2").await;
    let create = |id: &'static str| world.admin.post(GSAS, json!({"accountId": id}));
    let rate = create("mf-user-3")
        .await
        .refused_as(429, "RESOURCE_EXHAUSTED");
    assert_eq!(
        rate.message(),
        "A quota has been reached for project number 210987654321: Service accounts created per minute per project."
    );
    assert_eq!(
        rate.body["error"]["details"],
        json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60s"}])
    );
    world.pass(60);
    create("mf-user-3").await.ok();
    let count = create("mf-user-4").await;
    assert_eq!(
        (count.status, count.message()),
        (
            429,
            "Maximum number of service accounts on project reached."
        )
    );
    assert_eq!(count.body["error"]["details"][0]["retryDelay"], "86401s");
    world
        .delete(&format!(
            "{GSAS}/mf-user-1@acme-identities.iam.gserviceaccount.com"
        ))
        .await;
    world.pass(60);
    create("mf-user-4").await.ok();
}

#[tokio::test]
async fn reads_writes_and_exchanges_have_separate_quotas() {
    let world = World::new();
    let uri = format!("{GSAS}/{}", world.account("mf-alice-1").await);
    world
        .change_settings(
            json!({"limits": {"readsPerMinute": 1, "writesPerMinute": 1, "stsPerMinute": 1}}),
        )
        .await;
    world.get(&uri).await;
    let read = world.admin.get(&uri).await;
    assert!(
        read.message()
            .starts_with("Quota exceeded for quota metric 'Read requests'"),
        "{}",
        read.message()
    );
    world.post(&format!("{uri}:disable"), json!({})).await;
    world
        .admin
        .post(&format!("{uri}:enable"), json!({}))
        .await
        .refused(429);
    world.federated(&ALICE).await;
    let again = world
        .exchange(&crate::support::Issuer::new().token(&ALICE, world.clock.token_now()))
        .await;
    assert_eq!(
        (again.status, &again.body["error"]),
        (429, &json!("quota_exceeded"))
    );
}

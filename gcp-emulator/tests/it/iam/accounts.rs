//! Service accounts: creating, reading, changing, deleting and undeleting them.

use serde_json::json;

use crate::support::{GSAS, World};

#[tokio::test]
async fn an_account_has_googles_form() {
    let world = World::new();
    let body = json!({"accountId": "mf-alice-1", "serviceAccount": {"displayName": "Alice", "description": "d"}});
    let account = world.post(&format!("{GSAS}?alt=json"), body).await;
    let email = "mf-alice-1@acme-identities.iam.gserviceaccount.com";
    assert_eq!(account["email"], email);
    assert_eq!(
        account["name"],
        format!("projects/acme-identities/serviceAccounts/{email}")
    );
    assert_eq!(account["projectId"], "acme-identities");
    assert_eq!(account["displayName"], "Alice");
    assert_eq!(account["uniqueId"].as_str().unwrap().len(), 21);
    assert!(account.get("disabled").is_none());
    let by_id = format!("{GSAS}/{}", account["uniqueId"].as_str().unwrap());
    for uri in [
        by_id,
        format!("{GSAS}/{email}"),
        format!("/v1/projects/210987654321/serviceAccounts/{email}"),
        format!(
            "/v1/projects/-/serviceAccounts/{}?%24alt=json%3Benum-encoding%3Dint",
            email.replace('@', "%40")
        ),
    ] {
        assert_eq!(world.get(&uri).await, account, "{uri}");
    }
}

#[tokio::test]
async fn an_account_id_that_is_taken_is_a_conflict() {
    let world = World::new();
    world.account("mf-alice-1").await;
    let again = world
        .admin
        .post(GSAS, json!({"accountId": "mf-alice-1"}))
        .await
        .refused_as(409, "ALREADY_EXISTS");
    assert_eq!(
        again.message(),
        "Service account ID already exists within project projects/acme-identities."
    );
    assert_eq!(
        again.body["error"]["details"][0]["resourceName"],
        "projects/acme-identities/serviceAccounts/mf-alice-1@acme-identities.iam.gserviceaccount.com"
    );
}

#[tokio::test]
async fn invalid_accounts_and_parameters_are_refused() {
    let world = World::new();
    let long = "x".repeat(257);
    for body in [
        json!({"accountId": "ab"}),
        json!({"accountId": "UPPER-case"}),
        json!({"accountId": "1-starts-with-digit"}),
        json!({"accountId": "ends-with-dash-"}),
        json!({"accountId": "x".repeat(31)}),
        json!({}),
        json!({"accountId": "good-one", "serviceAccount": {"description": long}}),
        json!({"accountId": "good-one", "serviceAccount": {"displayName": "é".repeat(51)}}),
        json!({"accountId": "good-one", "typo": 1}),
    ] {
        world
            .admin
            .post(GSAS, body.clone())
            .await
            .refused_as(400, "INVALID_ARGUMENT");
    }
    let answer = world.admin.get(&format!("{GSAS}?pagesize=1")).await;
    assert!(
        answer.message().contains("Unknown name \"pagesize\""),
        "{}",
        answer.message()
    );
}

#[tokio::test]
async fn an_unknown_account_is_404_but_403_under_the_wildcard_project() {
    let world = World::new();
    let email = "nobody@acme-identities.iam.gserviceaccount.com";
    let named = world.admin.get(&format!("{GSAS}/{email}")).await;
    assert_eq!(
        (named.status, named.message()),
        (404, "Unknown service account")
    );
    let uri = format!("/v1/projects/-/serviceAccounts/{email}");
    world
        .admin
        .get(&uri)
        .await
        .refused_as(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn patch_returns_the_changed_fields_and_put_changes_the_name_only() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    let uri = format!("{GSAS}/{email}");
    let body = json!({"serviceAccount": {"description": "new", "displayName": "no"}, "updateMask": "description"});
    let patched = world.patch(&uri, body).await;
    assert_eq!(
        patched,
        json!({"description": "new", "name": format!("projects/acme-identities/serviceAccounts/{email}")})
    );
    world
        .put(&uri, json!({"displayName": "Alice", "description": "no"}))
        .await;
    let account = world.get(&uri).await;
    assert_eq!(
        (&account["displayName"], &account["description"]),
        (&json!("Alice"), &json!("new"))
    );
}

#[tokio::test]
async fn disabling_and_enabling_can_be_repeated() {
    let world = World::new();
    let uri = format!("{GSAS}/{}", world.account("mf-alice-1").await);
    for _ in 0..2 {
        assert_eq!(
            world.post(&format!("{uri}:disable"), json!({})).await,
            json!({})
        );
    }
    assert_eq!(world.get(&uri).await["disabled"], true);
    assert_eq!(
        world.post(&format!("{uri}%3Aenable"), json!({})).await,
        json!({})
    );
    assert!(world.get(&uri).await.get("disabled").is_none());
}

#[tokio::test]
async fn the_pages_of_a_list_have_all_accounts() {
    let world = World::new();
    for number in 0..5 {
        world.account(&format!("mf-user-{number}")).await;
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = world
            .get(&format!("{GSAS}?pageSize=2&pageToken={token}"))
            .await;
        seen.extend(
            page["accounts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|each| each["email"].to_string()),
        );
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(
        world.get("/v1/projects/acme/serviceAccounts").await,
        json!({})
    );
    world
        .admin
        .get(&format!("{GSAS}?pageToken=x"))
        .await
        .refused(400);
}

#[tokio::test]
async fn a_deleted_account_can_be_undeleted_by_its_unique_id_for_thirty_days() {
    let world = World::new();
    let account = world.post(GSAS, json!({"accountId": "mf-alice-1"})).await;
    let (email, uid) = (
        account["email"].as_str().unwrap(),
        account["uniqueId"].as_str().unwrap(),
    );
    let uri = format!("{GSAS}/{email}");
    assert_eq!(world.delete(&uri).await, json!({}));
    world.admin.get(&uri).await.refused(404);
    world.admin.delete(&uri).await.refused(404);
    let undelete = format!("/v1/projects/-/serviceAccounts/{uid}:undelete");
    let restored = world.post(&undelete, json!({})).await;
    assert_eq!(restored["restoredAccount"]["uniqueId"], uid);
    assert_eq!(
        world.admin.post(&undelete, json!({})).await.code(),
        "FAILED_PRECONDITION"
    );
    world.delete(&uri).await;
    world.pass(31 * 86_400);
    world
        .admin
        .post(&format!("{GSAS}/{uid}:undelete"), json!({}))
        .await
        .refused(404);
}

#[tokio::test]
async fn an_account_whose_name_is_taken_cannot_be_undeleted() {
    let world = World::new();
    let first = world.post(GSAS, json!({"accountId": "mf-alice-1"})).await;
    let uri = format!("{GSAS}/{}", first["email"].as_str().unwrap());
    world.delete(&uri).await;
    let second = world.post(GSAS, json!({"accountId": "mf-alice-1"})).await;
    assert_ne!(first["uniqueId"], second["uniqueId"]);
    let undelete = format!("{GSAS}/{}:undelete", first["uniqueId"].as_str().unwrap());
    world.admin.post(&undelete, json!({})).await.refused(409);
}

#[tokio::test]
async fn without_a_grant_every_method_is_refused() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    let mallory = world.user("mallory@acme.com");
    for (method, uri, permission) in [
        ("POST", GSAS.to_owned(), "create"),
        ("GET", GSAS.to_owned(), "list"),
        ("GET", format!("{GSAS}/{email}"), "get"),
        ("DELETE", format!("{GSAS}/{email}"), "delete"),
        (
            "POST",
            format!("{GSAS}/{email}:setIamPolicy"),
            "setIamPolicy",
        ),
    ] {
        let answer = mallory
            .request(method, &uri, json!({}))
            .await
            .refused_as(403, "PERMISSION_DENIED");
        let permission = format!("iam.serviceAccounts.{permission}");
        assert_eq!(
            answer.message(),
            format!("Permission '{permission}' denied on resource (or it may not exist).")
        );
        assert_eq!(
            answer.body["error"]["details"][0]["reason"],
            "IAM_PERMISSION_DENIED"
        );
        assert_eq!(
            answer.body["error"]["details"][0]["metadata"]["permission"],
            permission
        );
    }
    let nobody = world
        .anonymous
        .get(GSAS)
        .await
        .refused_as(401, "UNAUTHENTICATED");
    assert!(nobody.headers.contains_key("www-authenticate"));
    world.bearer("ya29.forged").get(GSAS).await.refused(401);
}

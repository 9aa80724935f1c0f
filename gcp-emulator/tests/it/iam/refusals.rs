//! Paths that are not served, and errors that must not reveal what exists.

use serde_json::json;

use crate::support::{GSAS, World};

#[tokio::test]
async fn paths_of_other_apis_are_not_taken_for_buckets() {
    let world = World::new();
    for (path, status, words) in [
        (
            "/v2/policies/cloudresourcemanager.googleapis.com%2Fprojects%2Facme/denypolicies",
            501,
            "deny policies",
        ),
        ("/v2/projects/acme/policies", 501, "organization policies"),
        (
            "/v2/organizations/1/constraints",
            501,
            "organization policies",
        ),
        ("/v1beta1/projects/acme", 404, "Method not found"),
        ("/v2/nothing", 404, "Method not found"),
    ] {
        let answer = world.admin.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.message().contains(words), "{path}: {}", answer.body);
        assert!(!answer.code().is_empty(), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_403_does_not_reveal_whether_the_account_exists() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    let mallory = world.user("mallory@acme.com");
    for project in ["acme-identities", "210987654321", "-"] {
        for (method, verb) in [
            ("GET", ""),
            ("DELETE", ""),
            ("POST", ":disable"),
            ("POST", ":getIamPolicy"),
            ("POST", ":setIamPolicy"),
        ] {
            let ask = async |email: &str| {
                let uri = format!("/v1/projects/{project}/serviceAccounts/{email}{verb}");
                let answer = mallory.request(method, &uri, json!({})).await;
                let text = answer.body.to_string().replace(email, "EMAIL");
                (answer.status, text)
            };
            let there = ask(&email).await;
            let missing = ask("mf-nobody-1@acme-identities.iam.gserviceaccount.com").await;
            assert_eq!(there, missing, "{method} {project} {verb}");
            assert_eq!(there.0, 403);
            assert!(
                there
                    .1
                    .contains(&format!("projects/{project}/serviceAccounts/EMAIL"))
            );
        }
    }
    // The unique id of an account in an error would reveal that it exists.
    let refused = mallory.get(&format!("{GSAS}/{email}")).await;
    let account = world.get(&format!("{GSAS}/{email}")).await;
    let uid = account["uniqueId"].as_str().unwrap();
    assert!(!refused.body.to_string().contains(uid));
    let credentials = world.impersonate(&mallory.token, &email).await.refused(403);
    let details = &credentials.body["error"]["details"][0]["metadata"];
    assert_eq!(
        details,
        &json!({"permission": "iam.serviceAccounts.getAccessToken"})
    );
}

#[tokio::test]
async fn an_accounts_client_id_is_its_unique_id_and_its_etag_is_constant() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    let uri = format!("{GSAS}/{email}");
    let before = world.get(&uri).await;
    assert_eq!(before["oauth2ClientId"], before["uniqueId"]);
    let change = json!({"serviceAccount": {"displayName": "n"}, "updateMask": "displayName"});
    world.patch(&uri, change).await;
    let after = world.get(&uri).await;
    assert_eq!(after["displayName"], "n");
    assert_eq!(
        (&before["etag"], &after["etag"]),
        (&json!("MDEwMjE5MjA="), &json!("MDEwMjE5MjA="))
    );
}

//! Requests as they were recorded from gcloud, google-auth and Google's clients for Python and Rust.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::support::{ALICE, Answer, World};

const P: &str = "/v1/projects/acme-identities";
const EMAIL: &str = "task-sa-1@acme-identities.iam.gserviceaccount.com";

async fn raw(world: &World, method: &str, uri: &str, kind: Option<&str>, body: &str) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "127.0.0.1")
        .header("accept", "*/*")
        .header(
            "x-goog-api-client",
            "gl-rust/1.95.0 gax/0.7.21 rest/0.7.21-reqwest gapic/1.13.0",
        );
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    world
        .admin
        .send(request.body(Body::from(body.to_owned())).unwrap())
        .await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn recorded_requests_of_gcloud_and_the_rust_client_succeed() {
    let world = World::new();
    let json_type = Some("application/json");
    let alt = "%24alt=json%3Benum-encoding%3Dint";
    let member = ALICE.member();
    let binding =
        format!("{{\"members\": [\"{member}\"], \"role\": \"roles/iam.workloadIdentityUser\"}}");
    let calls: Vec<(&str, String, Option<&str>, String)> = vec![
        // gcloud
        (
            "POST",
            format!("{P}/serviceAccounts?alt=json"),
            json_type,
            r#"{"accountId": "task-sa-1", "serviceAccount": {"description": "desc", "displayName": "Task 1"}}"#.into(),
        ),
        ("GET", format!("{P}/serviceAccounts?alt=json&pageSize=100"), None, String::new()),
        ("GET", format!("/v1/projects/-/serviceAccounts/{EMAIL}?alt=json"), None, String::new()),
        (
            "PATCH",
            format!("{P}/serviceAccounts/{EMAIL}?alt=json"),
            json_type,
            r#"{"serviceAccount": {"displayName": "New"}, "updateMask": "displayName"}"#.into(),
        ),
        (
            "POST",
            format!("{P}/serviceAccounts/{EMAIL}:getIamPolicy?alt=json&options.requestedPolicyVersion=3"),
            None,
            String::new(),
        ),
        (
            "POST",
            format!("{P}/serviceAccounts/{EMAIL}:setIamPolicy?alt=json"),
            json_type,
            format!("{{\"policy\": {{\"bindings\": [{binding}], \"etag\": \"ACAB\", \"version\": 3}}}}"),
        ),
        ("POST", format!("{P}/serviceAccounts/{EMAIL}:disable?alt=json"), json_type, "{}".into()),
        ("POST", format!("{P}/serviceAccounts/{EMAIL}:enable?alt=json"), json_type, "{}".into()),
        (
            "POST",
            format!("{P}:getIamPolicy?alt=json"),
            json_type,
            r#"{"options": {"requestedPolicyVersion": 3}}"#.into(),
        ),
        // google-cloud-iam-admin-v1
        ("POST", format!("{P}/serviceAccounts?{alt}"), json_type, r#"{"accountId":"rust-sa-1"}"#.into()),
        ("GET", format!("{P}/serviceAccounts?pageSize=1&pageToken=&{alt}"), json_type, String::new()),
        (
            "POST",
            format!("{P}/serviceAccounts/{EMAIL}:getIamPolicy?options.requestedPolicyVersion=3&{alt}"),
            json_type,
            "{}".into(),
        ),
        (
            "POST",
            format!("{P}/serviceAccounts/{EMAIL}:setIamPolicy?{alt}"),
            json_type,
            r#"{"policy":{},"updateMask":"bindings,etag"}"#.into(),
        ),
        (
            "POST",
            format!("{P}/serviceAccounts/{EMAIL}:testIamPermissions?{alt}"),
            json_type,
            r#"{"permissions":["iam.serviceAccounts.get"]}"#.into(),
        ),
        // google-api-python-client does not send snake case, but protobuf's JSON allows it
        (
            "POST",
            format!("{P}/serviceAccounts?{alt}"),
            json_type,
            r#"{"account_id":"snake-sa-1","service_account":{"display_name":"S"}}"#.into(),
        ),
        ("DELETE", format!("/v1/projects/-/serviceAccounts/{EMAIL}?alt=json"), None, String::new()),
    ];
    for (method, uri, kind, body) in calls {
        let answer = raw(&world, method, &uri, kind, &body).await;
        assert_eq!(answer.status, 200, "{method} {uri}: {}", answer.body);
        assert_eq!(
            answer.headers["content-type"],
            "application/json; charset=UTF-8"
        );
        assert!(answer.body.is_object());
    }
    let listed = raw(&world, "GET", &format!("{P}/serviceAccounts"), None, "").await;
    assert_eq!(listed.body["accounts"][1]["displayName"], "S");
}

#[tokio::test]
async fn gclouds_condition_and_google_auths_null_delegates_are_accepted() {
    let world = World::new();
    let email = world.account("task-sa-1").await;
    assert_eq!(email, EMAIL);
    let binding = json!({"role": "roles/iam.workloadIdentityUser", "members": [ALICE.member()],
        "condition": {"expression": "request.time < timestamp(\"2027-01-01T00:00:00Z\")", "title": "t", "description": null}});
    let policy = json!({"policy": {"version": 3, "etag": "ACAB", "bindings": [binding]}});
    world
        .post(&format!("{P}/serviceAccounts/{EMAIL}:setIamPolicy"), policy)
        .await;
    let federated = world.federated(&ALICE).await;
    let encoded = EMAIL.replace('@', "%40");
    for (email, alt) in [
        (EMAIL, ""),
        (encoded.as_str(), "?%24alt=json%3Benum-encoding%3Dint"),
    ] {
        let uri = format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken{alt}");
        let body = json!({"delegates": null, "scope": ["https://www.googleapis.com/auth/iam"], "lifetime": "3600s"});
        let answer = world.bearer(&federated).post(&uri, body).await;
        assert_eq!(answer.status, 200, "{uri}: {}", answer.body);
    }
}

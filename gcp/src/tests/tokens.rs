use secrecy::{ExposeSecret as _, SecretString};

use super::*;
use crate::Resource;

const AUDIENCE: &str =
    "identitynamespace:acme.svc.id.goog:https://container.googleapis.com/v1/projects/acme";
const EMAIL: &str = "mf-a@acme.iam.gserviceaccount.com";

fn token() -> SecretString {
    SecretString::from("ya29.d.federated")
}

fn denied() -> Answer {
    error(
        403,
        "PERMISSION_DENIED",
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
    )
}

#[tokio::test]
async fn a_ksa_token_is_exchanged_as_google_documents_it() {
    let answer = json!({"access_token": "ya29.d.x", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer", "expires_in": 3599});
    let (gcp, google) = google([ok(answer)]).await;
    let secret = SecretString::from("header.payload.signature\n");
    let scope = "https://www.googleapis.com/auth/iam";
    let token = gcp.exchange(&secret, AUDIENCE, scope).await.unwrap();
    assert_eq!(token.expose_secret(), "ya29.d.x");
    let seen = google.seen(0);
    assert_eq!((seen.line.as_str(), seen.bearer), ("POST /v1/token", None));
    for part in [
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
        "audience=identitynamespace%3Aacme.svc.id.goog%3Ahttps%3A%2F%2Fcontainer.googleapis.com%2Fv1%2Fprojects%2Facme&",
        "scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fiam&",
        "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt",
        "requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token",
    ] {
        assert!(seen.form.contains(part), "{part} in {}", seen.form);
    }
    assert!(
        seen.form
            .ends_with("subject_token=header.payload.signature"),
        "{}",
        seen.form
    );
}

#[tokio::test]
async fn a_token_quoted_by_google_does_not_appear_in_the_error() {
    let quote = || {
        Answer::Json(
            400,
            json!({"error": "invalid_grant", "error_description": "bad token s3cret"}),
        )
    };
    let (gcp, _) = google([
        quote(),
        error(401, "UNAUTHENTICATED", "bad token ya29.d.federated"),
    ])
    .await;
    let secret = SecretString::from("s3cret");
    let errors = [
        gcp.exchange(&secret, AUDIENCE, "x").await.unwrap_err(),
        gcp.generate_access_token(&token(), EMAIL)
            .await
            .unwrap_err(),
    ];
    for error in errors {
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s3cret") && !text.contains("ya29"), "{text}");
        assert!(text.contains("[token]"), "{text}");
    }
    assert!(!format!("{:?}", token()).contains("ya29"));
}

#[tokio::test]
async fn an_answer_that_does_not_parse_is_not_quoted() {
    let (gcp, _) = google([
        ok(json!(["ya29.c.secret"])),
        ok(json!({"access_token": "ya29.c.secret"})),
    ])
    .await;
    for _ in 0..2 {
        let error = gcp
            .generate_access_token(&token(), EMAIL)
            .await
            .unwrap_err();
        assert!(!format!("{error:?}").contains("ya29"), "{error}");
        assert_eq!(error.kind(), "Invalid");
    }
}

#[tokio::test]
async fn a_refused_token_request_can_be_repeated_with_the_same_client() {
    let granted = json!({"accessToken": "ya29.c.x", "expireTime": "2037-01-01T00:00:00Z"});
    let (gcp, google) = google([denied(), ok(granted)]).await;
    let error = gcp
        .generate_access_token(&token(), EMAIL)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "PermissionDenied");
    gcp.generate_access_token(&token(), EMAIL).await.unwrap();
    let seen = google.seen(1);
    let line = format!("POST /v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken");
    assert_eq!(seen.line, line);
    assert_eq!(seen.bearer.as_deref(), Some("Bearer ya29.d.federated"));
    let scope = "https://www.googleapis.com/auth/cloud-platform";
    assert_eq!(seen.body, json!({"scope": [scope], "lifetime": "300s"}));
}

#[tokio::test]
async fn permissions_of_a_token_are_tested_on_every_kind_of_resource() {
    let held = || ok(json!({"permissions": ["b"]}));
    let none = ok(json!({}));
    let (gcp, google) = google([held(), held(), held(), none]).await;
    let text = |s: &str| s.to_owned();
    let (bucket, folder) = (text("acme-mf"), text("users/a/"));
    for (resource, line, expected) in [
        (
            Resource::ServiceAccount { email: text(EMAIL) },
            format!("POST /v1/projects/acme/serviceAccounts/{EMAIL}:testIamPermissions"),
            vec!["b"],
        ),
        (
            Resource::Project { id: text("acme") },
            text("POST /v3/projects/acme:testIamPermissions"),
            vec!["b"],
        ),
        (
            Resource::Bucket {
                name: bucket.clone(),
            },
            text("GET /storage/v1/b/acme-mf/iam/testPermissions?permissions=a&permissions=b"),
            vec!["b"],
        ),
        (
            Resource::ManagedFolder { bucket, folder },
            text(
                "GET /storage/v1/b/acme-mf/managedFolders/users%2Fa%2F/iam/testPermissions?permissions=a&permissions=b",
            ),
            vec![],
        ),
    ] {
        let found = gcp
            .test_iam_permissions(&resource, &token(), &["a", "b"])
            .await
            .unwrap();
        assert_eq!(found, expected);
        assert_eq!(google.lines().last(), Some(&line));
        let bearer = google.seen.lock().unwrap().last().unwrap().bearer.clone();
        assert_eq!(bearer.as_deref(), Some("Bearer ya29.d.federated"));
    }
    assert_eq!(google.seen(0).body, json!({"permissions": ["a", "b"]}));
}

#[tokio::test]
async fn our_own_permissions_are_tested_with_our_own_credentials() {
    let (gcp, google) = google([ok(json!({"permissions": ["b"]}))]).await;
    let project = Resource::Project { id: "acme".into() };
    let held = gcp.own_permissions(&project, &["a", "b"]).await.unwrap();
    assert_eq!(held, ["b"]);
    assert_eq!(google.seen(0).bearer.as_deref(), Some("Bearer ours"));
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable_until_the_time_limit() {
    let (gcp, _) = google([]).await;
    let mut endpoints = gcp.endpoints.clone();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    endpoints.sts = format!("http://{free}");
    let gone = Gcp::connect(endpoints, ours()).await.unwrap();
    let gone = gone.within(Duration::from_millis(800));
    let secret = SecretString::from("s3cret");
    let error = gone.exchange(&secret, AUDIENCE, "x").await.unwrap_err();
    assert_eq!(error.kind(), "Unavailable");
    assert!(error.to_string().contains("refused"), "{error}");
}

//! The way from a KSA's token to a GSA's: STS, and then generateAccessToken.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::support::{ALICE, CLUSTER, GSAS, Issuer, Ksa, POOL, SCOPE, World, claims, exchange};

const USER: &str = "roles/iam.workloadIdentityUser";

#[tokio::test]
async fn a_bound_ksa_can_impersonate_its_gsa() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    world.bind(&email, USER, &ALICE.member()).await;
    let federated = world.federated(&ALICE).await;
    assert!(federated.starts_with("ya29.d."));
    let answer = world.impersonate(&federated, &email).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let token = answer.body["accessToken"].as_str().unwrap();
    assert!(token.starts_with("ya29.c."));
    assert_eq!(answer.body["expireTime"], "2026-11-22T13:00:00Z");
    let info = world.token_info(token).await;
    assert_eq!(info["email"], email);
    assert_eq!(info["expires_in"], "3600");
    let info = world.token_info(&federated).await;
    let principal = format!(
        "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/{POOL}/subject/ns/\
         research/sa/mf-alice"
    );
    assert_eq!(info["email"], principal);
}

#[tokio::test]
async fn every_form_of_the_member_binds_the_ksa_and_no_other() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    let pool = format!(
        "iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/{POOL}"
    );
    let alice = world.federated(&ALICE).await;
    let bob = world
        .federated(&Ksa {
            namespace: "other",
            name: "mf-bob",
            uid: "2",
        })
        .await;
    for member in [
        ALICE.member(),
        format!("principal://{pool}/subject/ns/research/sa/mf-alice"),
        format!(
            "principal://{pool}/kubernetes.serviceaccount.uid/{}",
            ALICE.uid
        ),
        format!("principalSet://{pool}/namespace/research"),
    ] {
        world.bind(&email, USER, &member).await;
        world.impersonate(&alice, &email).await.ok();
        world.impersonate(&bob, &email).await.refused(403);
    }
    let cluster = format!("principalSet://{pool}/kubernetes.cluster/{CLUSTER}");
    world.bind(&email, USER, &cluster).await;
    world.impersonate(&bob, &email).await.ok();
}

#[tokio::test]
async fn a_binding_of_a_uid_does_not_apply_to_a_recreated_ksa() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    let pool = format!(
        "iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/{POOL}"
    );
    let member = format!(
        "principal://{pool}/kubernetes.serviceaccount.uid/{}",
        ALICE.uid
    );
    world.bind(&email, USER, &member).await;
    let again = world
        .federated(&Ksa {
            uid: "another",
            ..ALICE
        })
        .await;
    let refused = world
        .impersonate(&again, &email)
        .await
        .refused_as(403, "PERMISSION_DENIED");
    assert_eq!(
        refused.message(),
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
    );
}

#[tokio::test]
async fn an_exchange_can_be_a_form_or_json_in_camel_or_snake_case() {
    let world = World::new();
    let token = Issuer::new().token(&ALICE, world.clock.token_now());
    let camel = exchange(&token);
    let snake: Value = camel
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (snake(name), value.clone()))
        .collect();
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(
            snake
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name, value.as_str().unwrap())),
        )
        .finish();
    // Token files end with a newline, which clients do not remove.
    let form = form.replace("subject_token=", "subject_token=%0A");
    for (kind, body) in [
        ("application/json", camel.to_string()),
        ("application/json", snake.to_string()),
        ("application/x-www-form-urlencoded", form),
    ] {
        let request = Request::post("/v1/token")
            .header("content-type", kind)
            .body(Body::from(body))
            .unwrap();
        let answer = world.anonymous.send(request).await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.body);
        assert_eq!(answer.body["token_type"], "Bearer");
        assert_eq!(answer.body["expires_in"], 3_599);
        assert_eq!(
            answer.body["issued_token_type"],
            "urn:ietf:params:oauth:token-type:access_token"
        );
    }
}

fn snake(name: &str) -> String {
    let letters = name.chars().flat_map(|letter| match letter.is_uppercase() {
        true => vec!['_', letter.to_ascii_lowercase()],
        false => vec![letter],
    });
    letters.collect()
}

#[tokio::test]
async fn an_invalid_subject_token_is_refused_in_oauth_form() {
    let world = World::new();
    let now = world.clock.token_now();
    let good = claims(&ALICE, now);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let second = now.as_second();
    let issuer = Issuer::new();
    for (token, words) in [
        (Issuer::stranger().sign(&good), "signature is invalid"),
        (
            issuer.sign(&with("aud", json!("https://kubernetes.default.svc"))),
            "does not match the expected audience",
        ),
        (
            issuer.sign(&with("exp", json!(second - 61))),
            "is stale to sign-in",
        ),
        (
            issuer.sign(&with("iat", json!(second - 86_401))),
            "is stale to sign-in",
        ),
        (
            issuer.sign(&with("iat", json!(second + 600))),
            "in the future",
        ),
        (
            issuer.sign(&with("iss", json!("https://elsewhere"))),
            "issuer",
        ),
        ("not.a.token".to_owned(), "malformed"),
        (issuer.sign(&good) + "x", "malformed"),
    ] {
        let answer = world.exchange(&token).await;
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (400, &json!("invalid_grant")),
            "{words}"
        );
        let description = answer.body["error_description"].as_str().unwrap();
        assert!(description.contains(words), "{description}");
    }
}

#[tokio::test]
async fn the_error_for_an_invalid_exchange_says_what_is_wrong() {
    let world = World::new();
    let token = Issuer::new().token(&ALICE, world.clock.token_now());
    for (field, value, error) in [
        ("audience", "acme", "invalid_request"),
        (
            "audience",
            "identitynamespace:other.svc.id.goog:https://x",
            "invalid_target",
        ),
        (
            "audience",
            &format!("identitynamespace:{POOL}:https://other"),
            "invalid_target",
        ),
        ("requestedTokenType", "x", "invalid_request"),
        ("grantType", "password", "invalid_request"),
        ("scope", "", "invalid_request"),
    ] {
        let mut request = exchange(&token);
        request[field] = json!(value);
        let answer = world.anonymous.post("/v1/token", request).await;
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (400, &json!(error)),
            "{field}={value}"
        );
        assert!(answer.body["error_description"].is_string());
    }
}

#[tokio::test]
async fn a_disabled_or_deleted_account_has_no_valid_tokens() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    world.bind(&email, USER, &ALICE.member()).await;
    let federated = world.federated(&ALICE).await;
    let token = world.impersonate(&federated, &email).await.ok();
    let holder = world.bearer(token["accessToken"].as_str().unwrap());
    let test = format!("{GSAS}/{email}:testIamPermissions");
    let permissions = json!({"permissions": ["iam.serviceAccounts.get"]});
    holder.post(&test, permissions.clone()).await.ok();
    world
        .post(&format!("{GSAS}/{email}:disable"), json!({}))
        .await;
    world.impersonate(&federated, &email).await.refused(400);
    holder.post(&test, permissions.clone()).await.refused(401);
    world
        .post(&format!("{GSAS}/{email}:enable"), json!({}))
        .await;
    holder.post(&test, permissions).await.ok();
    world.delete(&format!("{GSAS}/{email}")).await;
    let gone = world
        .impersonate(&federated, &email)
        .await
        .refused_as(404, "NOT_FOUND");
    assert_eq!(
        gone.message(),
        format!("Not found; Gaia id not found for email {email}")
    );
}

#[tokio::test]
async fn an_invalid_request_for_an_access_token_is_refused() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    world.bind(&email, USER, &ALICE.member()).await;
    let federated = world.federated(&ALICE).await;
    let any = format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
    let named = format!("{GSAS}/{email}:generateAccessToken");
    for (uri, body) in [
        (&any, json!({"scope": []})),
        (&any, json!({"scope": [SCOPE], "lifetime": "3601s"})),
        (&any, json!({"scope": [SCOPE], "lifetime": "1h"})),
        (&any, json!({"scope": [SCOPE], "delegates": ["x"]})),
        (&named, json!({"scope": [SCOPE]})),
    ] {
        world
            .bearer(&federated)
            .post(uri, body.clone())
            .await
            .refused(400);
    }
    world
        .anonymous
        .post(&any, json!({"scope": [SCOPE]}))
        .await
        .refused(401);
    let encoded = any.replace('@', "%40").replace(":generate", "%3Agenerate");
    let short = world
        .bearer(&federated)
        .post(&encoded, json!({"scope": [SCOPE], "lifetime": "600s"}))
        .await;
    assert_eq!(short.body["expireTime"], "2026-11-22T12:10:00Z");
}

#[tokio::test]
async fn every_delegate_in_a_chain_must_be_allowed() {
    let world = World::new();
    let (first, last) = (
        world.account("link-one").await,
        world.account("link-two").await,
    );
    let creator = "roles/iam.serviceAccountTokenCreator";
    world
        .bind(&last, creator, &format!("serviceAccount:{first}"))
        .await;
    let alice = world.user("alice@acme.com");
    let uri = format!("/v1/projects/-/serviceAccounts/{last}:generateAccessToken");
    let body =
        json!({"scope": [SCOPE], "delegates": [format!("projects/-/serviceAccounts/{first}")]});
    alice.post(&uri, body.clone()).await.refused(403);
    world.bind(&first, creator, "group:research@acme.com").await;
    alice.post(&uri, body).await.ok();
}

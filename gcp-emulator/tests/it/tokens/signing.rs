//! Signatures and ID tokens of a service account, and introspection of federated tokens.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::Request;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Value, json};

use crate::support::{ALICE, Answer, World};

const CREATOR: &str = "roles/iam.serviceAccountTokenCreator";

/// An account that alice's KSA can impersonate, and the KSA's federated token.
async fn account(world: &World) -> (String, String) {
    let email = world.account("mf-alice-1").await;
    world.bind(&email, CREATOR, &ALICE.member()).await;
    (email, world.federated(&ALICE).await)
}

async fn call(world: &World, token: &str, email: &str, verb: &str, body: Value) -> Answer {
    let uri = format!("/v1/projects/-/serviceAccounts/{email}:{verb}");
    world.bearer(token).post(&uri, body).await
}

/// Whether the signature verifies with the published key.
async fn verifies(world: &World, message: &[u8], signature: &[u8]) -> bool {
    let keys = world.anonymous.get("/oauth2/v3/certs").await.body;
    let part =
        |name: &str| BASE64URL_NOPAD.decode(keys["keys"][0][name].as_str().unwrap().as_bytes());
    let key = RsaPublicKeyComponents {
        n: part("n").unwrap(),
        e: part("e").unwrap(),
    };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
        .is_ok()
}

/// The claims of a token, after a check of its signature.
pub(crate) async fn claims_of(world: &World, token: &str) -> Value {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    assert!(verifies(world, signed.as_bytes(), &signature).await);
    let claims = signed.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn blobs_and_tokens_are_signed_with_the_published_key() {
    let world = World::new();
    let (email, token) = account(&world).await;
    let payload = json!({"payload": BASE64.encode(b"to be signed"), "delegates": null});
    let signed = call(&world, &token, &email, "signBlob", payload).await;
    assert_eq!(signed.status, 200, "{}", signed.body);
    let blob = signed.body["signedBlob"].as_str().unwrap();
    let signature = BASE64.decode(blob.as_bytes()).unwrap();
    assert!(verifies(&world, b"to be signed", &signature).await);
    assert!(!verifies(&world, b"something else", &signature).await);
    let certificates = format!("/robot/v1/metadata/x509/{email}");
    let certificates = world.anonymous.get(&certificates).await.body;
    let certificate = &certificates[signed.body["keyId"].as_str().unwrap()];
    assert!(
        certificate
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    let claims = json!({"sub": "alice", "aud": "x"});
    let signed = call(
        &world,
        &token,
        &email,
        "signJwt",
        json!({"payload": claims.to_string()}),
    )
    .await;
    let signed = signed.body["signedJwt"].as_str().unwrap().to_owned();
    assert_eq!(claims_of(&world, &signed).await, claims);
}

#[tokio::test]
async fn an_id_token_names_the_account_and_the_audience() {
    let world = World::new();
    let (email, token) = account(&world).await;
    let asked = json!({"audience": "https://acme.com", "includeEmail": true});
    let answer = call(&world, &token, &email, "generateIdToken", asked).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let claims = claims_of(&world, answer.body["token"].as_str().unwrap()).await;
    assert_eq!(claims["iss"], "https://accounts.google.com");
    assert_eq!(
        (&claims["aud"], &claims["email"]),
        (&json!("https://acme.com"), &json!(email))
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        3_600
    );
    let plain = json!({"audience": "https://acme.com"});
    let answer = call(&world, &token, &email, "generateIdToken", plain).await;
    let claims = claims_of(&world, answer.body["token"].as_str().unwrap()).await;
    assert!(claims.get("email").is_none());
    call(&world, &token, &email, "generateIdToken", json!({}))
        .await
        .refused(400);
}

#[tokio::test]
async fn each_signing_method_needs_its_own_permission() {
    let world = World::new();
    let (email, token) = account(&world).await;
    let user = "roles/iam.workloadIdentityUser";
    world.bind(&email, user, &ALICE.member()).await;
    for (verb, body, permission) in [
        (
            "signBlob",
            json!({"payload": "eA=="}),
            "iam.serviceAccounts.signBlob",
        ),
        (
            "signJwt",
            json!({"payload": "{}"}),
            "iam.serviceAccounts.signJwt",
        ),
    ] {
        let refused = call(&world, &token, &email, verb, body).await.refused(403);
        let words = format!("Permission '{permission}' denied");
        assert!(refused.message().starts_with(&words), "{}", refused.body);
    }
    let asked = json!({"audience": "x"});
    call(&world, &token, &email, "generateIdToken", asked)
        .await
        .ok();
    let bad = json!({"payload": "not base64!"});
    call(&world, &token, &email, "signBlob", bad)
        .await
        .refused(400);
}

#[tokio::test]
async fn introspection_names_the_principal_of_a_federated_token() {
    let world = World::new();
    let token = world.federated(&ALICE).await;
    let introspect = async |token: &str| {
        let request = Request::post("/v1/introspect")
            .header("authorization", "Basic Y2xpZW50OnNlY3JldA==")
            .header("content-type", "application/x-www-form-urlencoded");
        let body =
            format!("token={token}&token_type_hint=urn:ietf:params:oauth:token-type:access_token");
        world
            .anonymous
            .send(request.body(body.into()).unwrap())
            .await
    };
    let found = introspect(&token).await;
    assert_eq!((found.status, &found.body["active"]), (200, &json!(true)));
    let principal = "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/\
                     acme.svc.id.goog/subject/ns/research/sa/mf-alice";
    assert_eq!(found.body["username"], principal);
    assert_eq!(
        introspect("ya29.d.unknown").await.body,
        json!({"active": false})
    );
    introspect("").await.refused(400);
}

//! Pools outside of GKE, whose audience is the name of a provider and whose subject is the token's `sub`.

use serde_json::{Value, json};

use crate::support::{ALICE, Issuer, World, claims, exchange};

const ISSUER: &str = "https://kind.example";
const PROVIDER: &str = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/kind/providers/k8s";

async fn world(extra: Value) -> World {
    let world = World::new();
    let mut pool = json!({"project": "acme", "issuer": ISSUER, "jwks": Issuer::new().jwks(), "provider": "k8s"});
    if let (Some(pool), Some(extra)) = (pool.as_object_mut(), extra.as_object()) {
        pool.extend(extra.clone());
    }
    world.put("/emulator/v1/pools/kind", pool).await;
    world
}

async fn ask(world: &World, change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims(&ALICE, world.clock.token_now());
    claims["iss"] = json!(ISSUER);
    claims["aud"] = json!(PROVIDER);
    change(&mut claims);
    let mut request = exchange(&Issuer::new().sign(&claims));
    request["audience"] = json!(PROVIDER);
    world.anonymous.post("/v1/token", request).await.body
}

#[tokio::test]
async fn the_subject_of_a_provider_is_that_of_the_token() {
    let world = world(json!({})).await;
    let email = world.account("mf-alice-1").await;
    let token = ask(&world, |_| {}).await["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let member = "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/kind/\
                  subject/system:serviceaccount:research:mf-alice";
    world.impersonate(&token, &email).await.refused(403);
    world
        .bind(&email, "roles/iam.workloadIdentityUser", member)
        .await;
    world.impersonate(&token, &email).await.ok();
}

#[tokio::test]
async fn audience_and_length_of_the_subject_are_checked() {
    let plain = world(json!({})).await;
    let https = PROVIDER.replacen("//", "https://", 1);
    assert!(ask(&plain, |claims| claims["aud"] = json!([https])).await["access_token"].is_string());
    let wrong = ask(&plain, |claims| claims["aud"] = json!("mine")).await;
    assert_eq!(
        wrong["error_description"],
        "The audience in ID Token [mine] does not match the expected audience."
    );
    let long = ask(&plain, |claims| claims["sub"] = json!("x".repeat(128))).await;
    assert!(
        long["error_description"]
            .as_str()
            .unwrap()
            .contains("exceeds the 127 bytes limit")
    );
    let named = world(json!({"allowedAudiences": ["mine"]})).await;
    assert!(ask(&named, |claims| claims["aud"] = json!("mine")).await["access_token"].is_string());
    assert_eq!(ask(&named, |_| {}).await["error"], "invalid_grant");
}

//! Failures of Google, with the emulator: what the client does about them.

use jiff::SignedDuration;

use super::world::{ISSUER, KSA, POOL, USE, World};
use super::*;
use crate::{Error, Resource};

const SCOPE: &str = "https://www.googleapis.com/auth/iam";

async fn exchange(world: &World, gcp: &Gcp) -> Result<secrecy::SecretString, Error> {
    let audience = format!("identitynamespace:{POOL}:{ISSUER}");
    gcp.exchange(&world.ksa_token(), &audience, SCOPE).await
}

/// Number of requests so far whose path ends like this.
fn requests(world: &World, end: &str) -> usize {
    let all = world.emulator.state().requests(0);
    all.iter().filter(|r| r.path.ends_with(end)).count()
}

fn impatient(world: &World) -> Gcp {
    world.gcp.within(Duration::from_millis(900))
}

#[tokio::test]
async fn a_failing_exchange_is_retried_until_the_time_limit() {
    let world = World::start().await;
    let down = |times: u32| json!({"path": "/v1/token", "times": times, "answer": {"status": {"code": 503}}});
    world.fault(down(2));
    exchange(&world, &world.gcp).await.unwrap();
    assert_eq!(requests(&world, "/v1/token"), 3);
    world.fault(down(0));
    let error = exchange(&world, &impatient(&world)).await.unwrap_err();
    assert_eq!(error.kind(), "Unavailable", "{error}");
}

#[tokio::test]
async fn each_attempt_is_reported_with_its_outcome() {
    let world = World::start().await;
    let seen = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let observer = seen.clone();
    let gcp = world.gcp.observed(std::sync::Arc::new(move |one| {
        observer.lock().push((one.rate.as_str(), one.outcome));
    }));
    world.fault(json!({"path": "/v1/token", "times": 1, "answer": {"status": {"code": 503}}}));
    exchange(&world, &gcp).await.unwrap();
    let expected = [("exchange", "Unavailable"), ("exchange", "ok")];
    assert_eq!(*seen.lock(), expected);
}

#[tokio::test]
async fn temporary_failures_of_the_credentials_service_are_retried() {
    let world = World::start().await;
    let created = world.create().await.unwrap();
    world.bind(&created.email).await.unwrap();
    let federated = world.federated().await;
    for answer in [
        json!("cut"),
        json!({"status": {"code": 500}}),
        json!({"status": {"code": 429, "retryAfter": 1}}),
    ] {
        world.fault(json!({"path": "*:generateAccessToken", "answer": answer}));
        world
            .gcp
            .generate_access_token(&federated, &created.email)
            .await
            .unwrap();
    }
    assert_eq!(requests(&world, ":generateAccessToken"), 6);
}

#[tokio::test]
async fn a_wrong_clock_is_reported_at_once_without_retries() {
    let world = World::start().await;
    // Google's clock is two minutes slow, so the token is issued in the future.
    world
        .emulator
        .state()
        .clock()
        .advance_tokens(SignedDuration::from_secs(-120));
    let error = exchange(&world, &world.gcp).await.unwrap_err();
    assert_eq!(error.kind(), "Invalid", "{error}");
    assert_eq!(requests(&world, "/v1/token"), 1);
    // A minute is tolerated.
    world
        .emulator
        .state()
        .clock()
        .advance_tokens(SignedDuration::from_secs(90));
    exchange(&world, &world.gcp).await.unwrap();
}

#[tokio::test]
async fn a_revoked_permission_is_reported_at_once() {
    let world = World::start().await;
    let created = world.create().await.unwrap();
    world.fault(json!({"path": "*:setIamPolicy", "times": 0, "answer": {"status": {"code": 403}}}));
    let error = world.bind(&created.email).await.unwrap_err();
    assert_eq!(error.kind(), "PermissionDenied");
    assert_eq!(requests(&world, ":setIamPolicy"), 1);
    world.emulator.state().clear_faults();
    world.bind(&created.email).await.unwrap();
}

#[tokio::test]
async fn a_policy_read_from_a_stale_replica_overwrites_nothing() {
    let world = World::start().await;
    let created = world.create().await.unwrap();
    let account = Resource::ServiceAccount {
        email: created.email.clone(),
    };
    world.settings(&json!({"delays": {"policyRead": 60}}));
    world.bind(&created.email).await.unwrap();
    // A read does not show the binding yet, so every write is refused because of the newer etag.
    let theirs = "serviceAccount:acme.svc.id.goog[research/other]";
    let add = |policy: &mut crate::Policy| policy.add(USE, theirs, None);
    let error = impatient(&world)
        .modify_policy(&account, add)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "Conflict");
    world.pass(61);
    let policy = world.gcp.modify_policy(&account, add).await.unwrap();
    assert!(policy.has(USE, theirs, None) && policy.has(USE, KSA, None));
}

#[tokio::test]
async fn an_account_that_only_some_replicas_show_is_not_an_error() {
    let world = World::start().await;
    world.settings(&json!({"replicas": 4, "delays": {"serviceAccountGet": 40}}));
    let created = world.create().await.unwrap();
    world.pass(20);
    let mut seen = Vec::new();
    for _ in 0..40 {
        let found = world
            .gcp
            .get_service_account("acme-ids", &created.email)
            .await
            .unwrap();
        seen.push(found.is_some());
    }
    assert!(seen.contains(&true) && seen.contains(&false), "{seen:?}");
    world.pass(21);
    assert!(
        world
            .gcp
            .get_service_account("acme-ids", &created.email)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_throttled_read_makes_reads_wait_but_not_writes() {
    let world = World::start().await;
    world.fault(json!({"method": "GET", "path": "/v1/projects/acme-ids/serviceAccounts/*", "answer": {"status": {"code": 429, "body":
        {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded.", "details": [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "30s"}]}}}}}));
    let read = || async {
        impatient(&world)
            .get_service_account("acme-ids", "x@acme-ids.iam.gserviceaccount.com")
            .await
    };
    for reason in ["Throttled", "Queued", "Queued"] {
        assert_eq!(read().await.unwrap_err().kind(), reason);
    }
    assert_eq!(requests(&world, "gserviceaccount.com"), 1);
    world.create().await.unwrap();
}

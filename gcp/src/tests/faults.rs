//! Everything of Google's that can fail, at the emulator: what the client does about it, and what it leaves alone.

use jiff::SignedDuration;

use super::emulator::{ISSUER, KSA, POOL, USE, World};
use super::*;
use crate::{Error, Resource};

const SCOPE: &str = "https://www.googleapis.com/auth/iam";

async fn exchange(world: &World, gcp: &Gcp) -> Result<crate::AccessToken, Error> {
    let audience = format!("identitynamespace:{POOL}:{ISSUER}");
    gcp.exchange(&world.ksa_token(), &audience, SCOPE).await
}

/// Requests of this path's end since the beginning.
fn asked(world: &World, end: &str) -> usize {
    let all = world.emulator.state().requests(0);
    all.iter().filter(|r| r.path.ends_with(end)).count()
}

fn brief(world: &World) -> Gcp {
    world.gcp.within(Duration::from_millis(900))
}

#[tokio::test]
async fn an_exchange_that_is_down_is_waited_for_and_named_when_it_stays_down() {
    let world = World::start().await;
    let down = |times: u32| json!({"path": "/v1/token", "times": times, "answer": {"status": {"code": 503}}});
    world.fault(down(2));
    exchange(&world, &world.gcp).await.unwrap();
    assert_eq!(asked(&world, "/v1/token"), 3);
    world.fault(down(0));
    let error = exchange(&world, &brief(&world)).await.unwrap_err();
    assert_eq!(error.reason(), "Unavailable", "{error}");
}

#[tokio::test]
async fn the_credentials_service_may_fail_in_any_way_that_passes() {
    let world = World::start().await;
    let made = world.create().await.unwrap();
    world.bind(&made.email).await.unwrap();
    let federated = world.federated().await;
    for answer in [
        json!("cut"),
        json!({"status": {"code": 500}}),
        json!({"status": {"code": 429, "retryAfter": 1}}),
    ] {
        world.fault(json!({"path": "*:generateAccessToken", "answer": answer}));
        world
            .gcp
            .generate_access_token(&federated, &made.email)
            .await
            .unwrap();
    }
    assert_eq!(asked(&world, ":generateAccessToken"), 6);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_said_at_once_and_not_tried_again() {
    let world = World::start().await;
    // Google's clock is two minutes behind: the token comes from the future.
    world
        .emulator
        .state()
        .clock()
        .advance_tokens(SignedDuration::from_secs(-120));
    let error = exchange(&world, &world.gcp).await.unwrap_err();
    assert_eq!(error.reason(), "Invalid", "{error}");
    assert_eq!(asked(&world, "/v1/token"), 1);
    // A minute is no fault.
    world
        .emulator
        .state()
        .clock()
        .advance_tokens(SignedDuration::from_secs(90));
    exchange(&world, &world.gcp).await.unwrap();
}

#[tokio::test]
async fn a_permission_that_was_taken_away_is_said_at_once() {
    let world = World::start().await;
    let made = world.create().await.unwrap();
    world.fault(json!({"path": "*:setIamPolicy", "times": 0, "answer": {"status": {"code": 403}}}));
    let error = world.bind(&made.email).await.unwrap_err();
    assert_eq!(error.reason(), "PermissionDenied");
    assert_eq!(asked(&world, ":setIamPolicy"), 1);
    world.emulator.state().clear_faults();
    world.bind(&made.email).await.unwrap();
}

#[tokio::test]
async fn a_policy_read_from_a_replica_that_is_behind_overwrites_nothing() {
    let world = World::start().await;
    let made = world.create().await.unwrap();
    let account = Resource::ServiceAccount {
        email: made.email.clone(),
    };
    world.settings(&json!({"delays": {"policyRead": 60}}));
    world.bind(&made.email).await.unwrap();
    // Whoever reads now does not see the binding yet: every write meets the newer etag.
    let theirs = "serviceAccount:acme.svc.id.goog[research/other]";
    let add = |policy: &mut crate::Policy| policy.add(USE, theirs, None);
    let error = brief(&world)
        .modify_policy(&account, add)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "Conflict");
    world.pass(61);
    let policy = world.gcp.modify_policy(&account, add).await.unwrap();
    assert!(policy.has(USE, theirs, None) && policy.has(USE, KSA, None));
}

#[tokio::test]
async fn what_one_replica_shows_and_the_next_does_not_is_no_error() {
    let world = World::start().await;
    world.settings(&json!({"replicas": 4, "delays": {"serviceAccountGet": 40}}));
    let made = world.create().await.unwrap();
    world.pass(20);
    let mut seen = Vec::new();
    for _ in 0..40 {
        let found = world
            .gcp
            .get_service_account("acme-ids", &made.email)
            .await
            .unwrap();
        seen.push(found.is_some());
    }
    assert!(seen.contains(&true) && seen.contains(&false), "{seen:?}");
    world.pass(21);
    assert!(
        world
            .gcp
            .get_service_account("acme-ids", &made.email)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_read_that_is_told_to_wait_makes_reads_wait_and_writes_not() {
    let world = World::start().await;
    world.fault(json!({"method": "GET", "path": "/v1/projects/acme-ids/serviceAccounts/*", "answer": {"status": {"code": 429, "body":
        {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded.", "details": [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "30s"}]}}}}}));
    let read = || async {
        brief(&world)
            .get_service_account("acme-ids", "x@acme-ids.iam.gserviceaccount.com")
            .await
    };
    for reason in ["Throttled", "Queued", "Queued"] {
        assert_eq!(read().await.unwrap_err().reason(), reason);
    }
    assert_eq!(asked(&world, "gserviceaccount.com"), 1);
    world.create().await.unwrap();
}

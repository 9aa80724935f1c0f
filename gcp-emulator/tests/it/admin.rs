//! The emulator's own API, planned faults, and a real listener.

use std::time::Duration;

use namesake_gcp_emulator::{Emulator, Options, Seed};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{ALICE, GSAS, World, options};

#[tokio::test]
async fn no_token_appears_in_the_state_or_the_request_log() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    world
        .bind(&email, "roles/iam.workloadIdentityUser", &ALICE.member())
        .await;
    let federated = world.federated(&ALICE).await;
    world.impersonate(&federated, &email).await;
    world.token_info(&federated).await;
    let requests = world.get("/emulator/v1/requests").await;
    let state = world.get("/emulator/v1/state").await;
    for shown in [requests.to_string(), state.to_string()] {
        assert!(!shown.contains("ya29."), "{shown}");
    }
    let last = requests["requests"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        (&last["path"], &last["query"]),
        (&json!("/tokeninfo"), &json!("access_token=-"))
    );
    assert_eq!(state["serviceAccounts"][0]["email"], email);
    assert_eq!(
        world.state.requests(0).len(),
        requests["requests"].as_array().unwrap().len()
    );
}

#[tokio::test]
async fn the_request_log_names_the_permissions_that_were_checked_and_those_that_were_asked_for() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    let uid = world.get("/emulator/v1/state").await["serviceAccounts"][0]["uniqueId"].clone();
    let account = format!(
        "projects/acme-identities/serviceAccounts/{}",
        uid.as_str().unwrap()
    );
    let path = format!("{GSAS}/{email}");
    let eve = world.user("eve@acme.com");
    eve.get(&path).await.refused(403);
    let asked = json!({"permissions": ["iam.serviceAccounts.actAs"]});
    eve.post(&format!("{path}:testIamPermissions"), asked)
        .await
        .ok();
    let requests = world.get("/emulator/v1/requests").await;
    let log = requests["requests"].as_array().unwrap();
    let checks = |n: usize| log[log.len() - n]["permissions"].clone();
    let get =
        json!({"permission": "iam.serviceAccounts.get", "resource": account, "granted": false});
    let act = json!({"permission": "iam.serviceAccounts.actAs", "resource": account, "granted": false, "asked": true});
    let create = json!({"permission": "iam.serviceAccounts.create", "resource": "projects/acme-identities", "granted": true});
    assert_eq!(
        (checks(2), checks(1), checks(3)),
        (json!([get]), json!([act]), json!([create]))
    );
}

#[tokio::test]
async fn a_fault_can_fail_a_call_before_or_after_it_takes_effect() {
    let world = World::new();
    let fault = |applied: bool, code: u16| json!({"method": "POST", "path": GSAS, "applied": applied, "answer": {"status": {"code": code, "retryAfter": 7}}});
    world.post("/emulator/v1/faults", fault(false, 503)).await;
    world.post("/emulator/v1/faults", fault(true, 500)).await;
    let body = json!({"accountId": "mf-alice-1"});
    let lost = world
        .admin
        .post(GSAS, body.clone())
        .await
        .refused_as(503, "UNAVAILABLE");
    assert_eq!(lost.headers["retry-after"], "7");
    world
        .admin
        .post(GSAS, body.clone())
        .await
        .refused_as(500, "INTERNAL");
    world.admin.post(GSAS, body).await.refused(409);
    assert_eq!(world.get("/emulator/v1/faults").await["faults"], json!([]));
}

#[tokio::test]
async fn bad_requests_to_the_emulators_own_api_are_refused_with_a_reason() {
    let world = World::new();
    for (method, uri, body) in [
        (
            "PUT",
            "/emulator/v1/settings",
            json!({"delays": {"polcy": 1}}),
        ),
        (
            "POST",
            "/emulator/v1/faults",
            json!({"path": "/", "answer": "explode"}),
        ),
        ("POST", "/emulator/v1/clock:advance", json!({"seconds": -1})),
        (
            "POST",
            "/emulator/v1/userTokens",
            json!({"email": "x@p.iam.gserviceaccount.com"}),
        ),
        (
            "PUT",
            "/emulator/v1/pools/x.svc.id.goog",
            json!({"issuer": "https://x", "jwks": {"keys": []}}),
        ),
        (
            "PUT",
            "/emulator/v1/pools/acme.svc.id.goog",
            json!({"issuer": "https://x", "jwks": {"keys": []}}),
        ),
        (
            "POST",
            "/emulator/v1/seed",
            json!({"buckets": [{"name": "b", "project": "nope"}]}),
        ),
    ] {
        let answer = world.anonymous.request(method, uri, body).await;
        assert!(!answer.refused(400).message().is_empty());
    }
    world
        .anonymous
        .get("/emulator/v1/nothing")
        .await
        .refused(404);
}

#[tokio::test]
async fn anonymous_admin_allows_everything_only_without_a_token() {
    let world = World::new();
    world.change_settings(json!({"anonymousAdmin": true})).await;
    world
        .anonymous
        .post(GSAS, json!({"accountId": "mf-alice-1"}))
        .await
        .ok();
    let mallory = world.user("mallory@acme.com");
    mallory.get(GSAS).await.refused(403);
}

#[tokio::test]
async fn the_clock_moves_on_request_and_the_token_clock_only_when_asked_to() {
    let world = World::new();
    let answer = world
        .post("/emulator/v1/clock:advance", json!({"seconds": 7200}))
        .await;
    assert_eq!(answer["now"], "2026-11-22T14:00:00Z");
    world.get(GSAS).await;
    world
        .post("/emulator/v1/clock:advance", json!({"tokenSeconds": 3600}))
        .await;
    world.admin.get(GSAS).await.refused(401);
}

#[tokio::test]
async fn the_error_for_a_bad_seed_names_the_entry() {
    let mut options = options();
    let seed = json!({"projects": [{"id": "p", "number": 1}], "serviceAccounts": [{"project": "p", "accountId": "x"}]});
    options.seed = serde_json::from_value::<Seed>(seed).unwrap();
    let error = Emulator::start(options).await.unwrap_err().to_string();
    assert!(error.contains("service account x"), "{error}");
}

const YAML: &str = "
projects: [{id: acme, number: 123456789012, bindings: [{role: roles/owner, members: [user:a@acme.com]}]}]
serviceAccounts: [{project: acme, accountId: namesake-broker}]
buckets: [{name: acme-mf, project: acme, managedFolders: [{name: users/alice/, bindings: [
  {role: roles/storage.objectUser, members: [serviceAccount:namesake-broker@acme.iam.gserviceaccount.com]}]}]}]
roles: [{name: roles/later, includedPermissions: [storage.objects.get]}]
settings: {delays: {policy: 60}}
";

#[tokio::test]
async fn a_seed_in_yaml_takes_effect_at_once() {
    let mut options = options();
    options.seed = Seed::parse(YAML).unwrap();
    let world = World::with(options);
    let owner = world.user("a@acme.com");
    let listed = owner.get("/v1/projects/acme/serviceAccounts").await;
    assert_eq!(listed.body["accounts"].as_array().unwrap().len(), 1);
    let folder = "projects/_/buckets/acme-mf/managedFolders/users/alice/";
    let policy = &world.state.listing()["policies"][folder];
    assert_eq!(policy["bindings"][0]["role"], "roles/storage.objectUser");
    assert_eq!(world.state.settings().delays.policy, 60.0);
    let error = Seed::parse("project: []").unwrap_err();
    assert!(error.contains("project"), "{error}");
}

async fn talk(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer));
    // A cut connection may also show as a reset.
    let _ = read.await.unwrap();
    answer
}

#[tokio::test]
async fn over_a_real_listener_a_cut_connection_gets_no_answer() {
    let emulator = Emulator::start(options()).await.unwrap();
    let address = emulator
        .base_url
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let request =
        "GET /tokeninfo?access_token=x HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    assert!(talk(&address, request).await.starts_with("HTTP/1.1 400"));
    let fault = json!({"path": "/tokeninfo", "answer": "cut"});
    emulator
        .state()
        .add_fault(serde_json::from_value(fault).unwrap());
    assert_eq!(talk(&address, request).await, "");
    assert!(talk(&address, request).await.starts_with("HTTP/1.1 400"));
    assert_eq!(emulator.state().requests(1)[0].status, 0);

    let taken = Options {
        listen: address.parse().unwrap(),
        ..Options::default()
    };
    let error = Emulator::start(taken).await.unwrap_err().to_string();
    assert!(error.contains("cannot listen on"), "{error}");
    emulator.stop();
}

#[tokio::test]
async fn a_stop_holds_its_call_and_all_later_ones_until_the_faults_are_cleared() {
    let world = World::new();
    let stop =
        json!({"method": "POST", "path": GSAS, "skip": 1, "applied": true, "answer": "stop"});
    world.state.add_fault(serde_json::from_value(stop).unwrap());
    let create = |id: &'static str| {
        let admin = world.admin.clone();
        async move { admin.post(GSAS, json!({"accountId": id})).await.status }
    };
    assert_eq!(create("the-first").await, 200);
    let held = tokio::spawn(create("the-second"));
    world.state.stopped().await;
    let behind = tokio::spawn(create("the-third"));
    tokio::task::yield_now().await;
    assert!(!held.is_finished() && !behind.is_finished());
    let exists = |id: &str| {
        world.state.listing()["serviceAccounts"]
            .to_string()
            .contains(id)
    };
    assert!(exists("the-second") && !exists("the-third"));
    world.state.clear_faults();
    // The stopped call gets no answer; the one that waited behind it proceeds.
    assert_eq!(held.await.unwrap(), 502);
    assert_eq!(behind.await.unwrap(), 200);
    assert!(exists("the-third"));
}

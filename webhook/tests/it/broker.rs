//! New users: there is one call to the broker for each identity, and its errors reach the requester.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State as Extract;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use futures::future::join_all;
use namesake_webhook::admit::{Webhook, admit};
use namesake_webhook::state::State;
use namesake_webhook::state::broker::{Broker, Settings};
use rustls::RootCertStore;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::sync::Semaphore;

use crate::cases::{ask, job_controller, name_of, patch, review, sign, state};

/// An HTTP server with the API of the broker, which always gives the same answer.
struct FakeBroker {
    status: StatusCode,
    body: Value,
    calls: AtomicUsize,
    requests: std::sync::Mutex<Vec<Value>>,
    // Each call waits for a permit.
    permits: Semaphore,
}

async fn answer(
    Extract(broker): Extract<Arc<FakeBroker>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> (StatusCode, Json<Value>) {
    assert_eq!(headers["authorization"], "Bearer token-1");
    broker.calls.fetch_add(1, Ordering::SeqCst);
    broker.requests.lock().unwrap().push(request);
    broker.permits.acquire().await.unwrap().forget();
    (broker.status, Json(broker.body.clone()))
}

async fn fake_broker(status: u16, body: Value, permits: usize) -> (Arc<FakeBroker>, String) {
    let broker = Arc::new(FakeBroker {
        status: StatusCode::from_u16(status).unwrap(),
        body,
        calls: AtomicUsize::new(0),
        requests: std::sync::Mutex::default(),
        permits: Semaphore::new(permits),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new()
        .route("/v1/identities", post(answer))
        .with_state(broker.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (broker, url)
}

/// A state that calls this broker. The token file exists until the second value is dropped.
fn with_broker(case: &Value, url: &str, deadline: Duration) -> (State, NamedTempFile) {
    let token = NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "token-1\n").unwrap();
    let settings = Settings {
        url: url.parse().unwrap(),
        token_file: token.path().to_owned(),
        deadline,
    };
    let broker = Broker::new(settings, RootCertStore::empty()).unwrap();
    (state(case).with_broker(Arc::new(broker)), token)
}

fn case() -> Value {
    let mut case = json!({"parents": [{"stamp": {"$stamp": {}}}]});
    sign(&mut case);
    case
}

fn identity(ready: bool) -> Value {
    json!({"name": name_of("alice@acme.com"), "serviceAccountUid": "uid-1", "ready": ready})
}

#[tokio::test]
async fn fifty_pods_of_a_new_user_at_once_cost_one_call() {
    let (broker, url) = fake_broker(200, identity(false), 1).await;
    let (state, _token) = with_broker(&case(), &url, Duration::from_secs(5));
    let review = review(&job_controller());
    let answers = join_all((0..50).map(|_| ask(&state, Webhook::Mutate, &review))).await;
    for answer in &answers {
        assert_eq!(answer["auditAnnotations"]["outcome"], "gated", "{answer}");
        assert!(!patch(answer).as_array().unwrap().is_empty());
    }
    assert_eq!(broker.calls.load(Ordering::SeqCst), 1);
    let request = broker.requests.lock().unwrap()[0].clone();
    let want = json!({"namespace": "research", "class": "research", "user": "alice@acme.com", "groups": [],
        "values": {"user": "alice@acme.com"}});
    assert_eq!(request, want);
}

#[tokio::test]
async fn an_identity_that_works_needs_no_gate() {
    let (_broker, url) = fake_broker(200, identity(true), 1).await;
    let (state, _token) = with_broker(&case(), &url, Duration::from_secs(5));
    let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
    assert_eq!(answer["auditAnnotations"]["outcome"], "identity");
}

#[tokio::test]
async fn a_dry_run_makes_no_call() {
    let (broker, url) = fake_broker(200, identity(true), 9).await;
    let (state, _token) = with_broker(&case(), &url, Duration::from_secs(5));
    let mut request = job_controller();
    request["dryRun"] = json!(true);
    let answer = ask(&state, Webhook::Mutate, &review(&request)).await;
    assert_eq!(answer["allowed"], true);
    assert_eq!(patch(&answer), json!([]));
    assert!(answer["warnings"][0].as_str().unwrap().len() <= 120);
    assert_eq!(broker.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_brokers_errors_reach_the_requester_with_a_code_that_controllers_understand() {
    for (status, reason, code, expected) in [
        (403, "NotEntitled", 403, "NotEntitled"),
        (409, "Conflict", 503, "Conflict"),
        (429, "TooManyIdentities", 503, "TooManyIdentities"),
        (409, "Terminating", 503, "Terminating"),
        (503, "RulesNotLoaded", 503, "RulesNotLoaded"),
        (401, "Unauthenticated", 503, "Unauthenticated"),
        (403, "PreviouslyOffboarded", 403, "PreviouslyOffboarded"),
        (403, "OfALaterVersion", 503, "BrokerUnavailable"),
    ] {
        let body =
            json!({"error": {"code": status, "reason": reason, "message": "ask #ml-platform"}});
        let (_broker, url) = fake_broker(status, body, 1).await;
        let (state, _token) = with_broker(&case(), &url, Duration::from_secs(5));
        let request = json!({"kind": "Job", "file": "run-job.json", "user": "alice@acme.com"});
        let answer = ask(&state, Webhook::Mutate, &review(&request)).await;
        assert_eq!(answer["status"]["code"], code, "{status}");
        assert_eq!(answer["auditAnnotations"]["reason"], expected);
        let message = answer["status"]["message"].as_str().unwrap();
        assert!(
            message.contains("ask #ml-platform") && message.contains("alice@acme.com"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn an_unavailable_broker_gives_503_with_a_remedy_before_the_deadline() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unreachable = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let (_silent, silent) = fake_broker(200, identity(true), 0).await;
    for url in [unreachable, silent] {
        let (state, _token) = with_broker(&case(), &url, Duration::from_millis(100));
        let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
        assert_eq!(answer["status"]["code"], 503);
        assert!(
            answer["status"]["message"]
                .as_str()
                .unwrap()
                .contains("try again")
        );
    }
}

#[tokio::test]
async fn the_deadline_of_the_review_limits_the_wait_too() {
    let (_silent, url) = fake_broker(200, identity(true), 0).await;
    let (state, _token) = with_broker(&case(), &url, Duration::from_secs(3600));
    let body = review(&job_controller()).to_string();
    let began = Instant::now();
    let answer = admit(
        &state,
        Webhook::Mutate,
        body.as_bytes(),
        began,
        began + Duration::from_millis(50),
    )
    .await;
    let answer: Value = serde_json::from_slice(&answer.unwrap()).unwrap();
    assert_eq!(answer["response"]["status"]["code"], 503);
}

#[tokio::test]
async fn a_name_from_a_broker_with_other_rules_is_not_used() {
    let body = json!({"name": "mf-alice-bbbbbbbbbbbbbb", "serviceAccountUid": "u", "ready": true});
    let (_broker, url) = fake_broker(200, body, 1).await;
    let (state, _token) = with_broker(&case(), &url, Duration::from_secs(5));
    let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
    assert_eq!(answer["auditAnnotations"]["reason"], "RulesDiffer");
}

//! New users: one call to the broker for each identity, and what its answers become.

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

/// An HTTP server that answers as the broker's API says, with what a test puts in.
struct Scripted {
    status: StatusCode,
    body: Value,
    calls: AtomicUsize,
    questions: std::sync::Mutex<Vec<Value>>,
    // Calls wait for a permit.
    open: Semaphore,
}

async fn answer(
    Extract(broker): Extract<Arc<Scripted>>,
    headers: HeaderMap,
    Json(question): Json<Value>,
) -> (StatusCode, Json<Value>) {
    assert_eq!(headers["authorization"], "Bearer token-1");
    broker.calls.fetch_add(1, Ordering::SeqCst);
    broker.questions.lock().unwrap().push(question);
    broker.open.acquire().await.unwrap().forget();
    (broker.status, Json(broker.body.clone()))
}

async fn scripted(status: u16, body: Value, open: usize) -> (Arc<Scripted>, String) {
    let broker = Arc::new(Scripted {
        status: StatusCode::from_u16(status).unwrap(),
        body,
        calls: AtomicUsize::new(0),
        questions: std::sync::Mutex::default(),
        open: Semaphore::new(open),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new()
        .route("/v1/identities", post(answer))
        .with_state(broker.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (broker, url)
}

/// A state that asks this broker; the token's file lives as long as the second.
fn asking(case: &Value, url: &str, deadline: Duration) -> (State, NamedTempFile) {
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

fn made(ready: bool) -> Value {
    json!({"name": name_of("alice@acme.com"), "serviceAccountUid": "uid-1", "ready": ready})
}

#[tokio::test]
async fn fifty_pods_of_a_new_user_at_once_cost_one_call() {
    let (broker, url) = scripted(200, made(false), 1).await;
    let (state, _token) = asking(&case(), &url, Duration::from_secs(5));
    let review = review(&job_controller());
    let answers = join_all((0..50).map(|_| ask(&state, Webhook::Mutate, &review))).await;
    for answer in &answers {
        assert_eq!(answer["auditAnnotations"]["outcome"], "gated", "{answer}");
        assert!(!patch(answer).as_array().unwrap().is_empty());
    }
    assert_eq!(broker.calls.load(Ordering::SeqCst), 1);
    let question = broker.questions.lock().unwrap()[0].clone();
    let want = json!({"namespace": "research", "class": "research", "user": "alice@acme.com", "groups": [],
        "values": {"user": "alice@acme.com"}});
    assert_eq!(question, want);
}

#[tokio::test]
async fn an_identity_that_works_already_needs_no_gate() {
    let (_broker, url) = scripted(200, made(true), 1).await;
    let (state, _token) = asking(&case(), &url, Duration::from_secs(5));
    let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
    assert_eq!(answer["auditAnnotations"]["outcome"], "identity");
}

#[tokio::test]
async fn a_dry_run_makes_no_call() {
    let (broker, url) = scripted(200, made(true), 9).await;
    let (state, _token) = asking(&case(), &url, Duration::from_secs(5));
    let mut request = job_controller();
    request["dryRun"] = json!(true);
    let answer = ask(&state, Webhook::Mutate, &review(&request)).await;
    assert_eq!(answer["allowed"], true);
    assert_eq!(patch(&answer), json!([]));
    assert!(answer["warnings"][0].as_str().unwrap().len() <= 120);
    assert_eq!(broker.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_brokers_refusals_reach_the_person_with_a_code_that_controllers_understand() {
    for (status, reason, code, shown) in [
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
        let (_broker, url) = scripted(status, body, 1).await;
        let (state, _token) = asking(&case(), &url, Duration::from_secs(5));
        let request = json!({"kind": "Job", "file": "run-job.json", "user": "alice@acme.com"});
        let answer = ask(&state, Webhook::Mutate, &review(&request)).await;
        assert_eq!(answer["status"]["code"], code, "{status}");
        assert_eq!(answer["auditAnnotations"]["reason"], shown);
        let message = answer["status"]["message"].as_str().unwrap();
        assert!(
            message.contains("ask #ml-platform") && message.contains("alice@acme.com"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_broker_that_is_away_or_silent_is_503_and_a_remedy_before_the_deadline() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let (_silent, silent) = scripted(200, made(true), 0).await;
    for url in [away, silent] {
        let (state, _token) = asking(&case(), &url, Duration::from_millis(100));
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
async fn the_reviews_own_deadline_ends_the_wait_too() {
    let (_silent, url) = scripted(200, made(true), 0).await;
    let (state, _token) = asking(&case(), &url, Duration::from_secs(3600));
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
async fn a_broker_with_other_rules_gives_another_name_which_nobody_gets() {
    let body = json!({"name": "mf-alice-bbbbbbbbbbbbbb", "serviceAccountUid": "u", "ready": true});
    let (_broker, url) = scripted(200, body, 1).await;
    let (state, _token) = asking(&case(), &url, Duration::from_secs(5));
    let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
    assert_eq!(answer["auditAnnotations"]["reason"], "RulesDiffer");
}

//! The routes: reviews get 200, other requests 4xx with a message, and a replica is ready only when all is loaded.

use std::cell::RefCell;
use std::sync::{Arc, Once};

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum_server::tls::TlsInfo;
use http_body_util::BodyExt;
use namesake_api::names;
use namesake_webhook::AllowedClients;
use namesake_webhook::app;
use namesake_webhook::app_for;
use namesake_webhook::metrics_app;
use namesake_webhook::review::MAX_REVIEW_BYTES;
use namesake_webhook::state::State;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::cases::{self, job_controller, review, sign};

fn state() -> Arc<State> {
    let mut case = json!({"parents": [{"stamp": {"$stamp": {}}}],
        "identities": [{"user": "alice@acme.com", "ready": true}]});
    sign(&mut case);
    Arc::new(cases::state(&case))
}

async fn call(
    state: Arc<State>,
    method: &str,
    path: &str,
    body: impl Into<Body>,
) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(body.into())
        .unwrap();
    status_and_text(app(state).oneshot(request).await.unwrap()).await
}

async fn scrape(state: Arc<State>, method: &str, path: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).unwrap();
    status_and_text(metrics_app(state).oneshot(request).await.unwrap()).await
}

async fn status_and_text(response: Response<Body>) -> (StatusCode, String) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_review_is_answered_with_200_its_uid_and_its_version_with_or_without_a_timeout() {
    for path in ["/mutate", "/mutate?timeout=5s", "/mutate?timeout=nonsense"] {
        let body = review(&job_controller()).to_string();
        let (status, answer) = call(state(), "POST", path, body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (status, &answer["kind"]),
            (StatusCode::OK, &json!("AdmissionReview"))
        );
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(answer["response"]["uid"], "review-1");
        assert_eq!(answer["response"]["allowed"], true);
    }
}

#[tokio::test]
async fn a_request_that_is_not_a_review_gets_4xx_with_a_message() {
    let mut old = review(&job_controller());
    old["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let mut invalid = review(&job_controller());
    invalid["request"]["object"]["metadata"]["annotations"] = json!({"a": 1});
    let deep = format!("{{\"request\":{{\"object\":{{\"x\":{}", "[".repeat(100_000));
    for path in ["/mutate", "/validate", "/validate-rules"] {
        for (body, expected) in [
            (String::new(), "EOF"),
            ("hello".to_owned(), "expected"),
            (old.to_string(), "v1beta1"),
            (deep.clone(), "not a valid AdmissionReview"),
        ] {
            let (status, text) = call(state(), "POST", path, body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
            assert!(text.contains(expected), "{path}: {text}");
        }
        let (status, text) = call(state(), "POST", path, vec![b' '; MAX_REVIEW_BYTES + 1]).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(text.contains("8388608"), "{text}");
        assert_eq!(
            call(state(), "GET", path, "").await.0,
            StatusCode::METHOD_NOT_ALLOWED
        );
    }
    // A review of an invalid object is a valid review: its answer says what is wrong with the object.
    let (status, text) = call(state(), "POST", "/mutate", invalid.to_string()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        text.contains(r#""allowed":false"#) && text.contains("expected a string"),
        "{text}"
    );
    assert_eq!(
        call(state(), "POST", "/other", "").await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn with_a_client_authority_only_clients_with_its_certificate_may_send_reviews() {
    let mut certified = TlsInfo::default();
    certified.peer_certificates = vec![b"der".to_vec()];
    for (info, expected) in [
        (None, StatusCode::FORBIDDEN),
        (Some(TlsInfo::default()), StatusCode::FORBIDDEN),
        (Some(certified), StatusCode::OK),
    ] {
        for path in ["/mutate", "/validate", "/guard"] {
            let mut request = Request::post(path)
                .body(Body::from(review(&job_controller()).to_string()))
                .unwrap();
            if let Some(info) = info.clone() {
                request.extensions_mut().insert(Arc::new(info));
            }
            let answer = app_for(state(), AllowedClients::WithCertificate)
                .oneshot(request)
                .await;
            assert_eq!(answer.unwrap().status(), expected, "{path}");
        }
        // Kubelets probe without a certificate.
        let probe = Request::get("/healthz").body(Body::empty()).unwrap();
        let answer = app_for(state(), AllowedClients::WithCertificate)
            .oneshot(probe)
            .await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_request_that_came_through_a_proxy_gets_nothing_signed() {
    for name in ["X-Forwarded-For", "x-forwarded-uri", "X-Forwarded-Host"] {
        for path in ["/mutate", "/validate", "/guard", "/mutate-namespaces"] {
            let request = Request::post(path).header(name, "/api/v1/namespaces/x/pods/y/proxy");
            let body = Body::from(review(&job_controller()).to_string());
            let response = app(state()).oneshot(request.body(body).unwrap()).await;
            let response = response.unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name} {path}");
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            assert!(!String::from_utf8_lossy(&bytes).contains("patch"));
        }
    }
}

#[tokio::test]
async fn a_body_that_arrives_too_slowly_times_out() {
    let never = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let path = "/mutate?timeout=600ms";
    let (status, text) = call(state(), "POST", path, Body::from_stream(never)).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert!(text.contains("in time"), "{text}");
}

#[tokio::test]
async fn a_replica_is_healthy_at_once_and_ready_when_all_is_loaded() {
    let state = state();
    assert_eq!(
        call(state.clone(), "GET", "/healthz", "").await.0,
        StatusCode::OK
    );
    let (status, missing) = call(state.clone(), "GET", "/readyz", "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        missing.contains("rules are not loaded") && missing.contains("caBundle"),
        "{missing}"
    );
    // Not state.synced.identities: reading tens of thousands takes long, and each one that is needed can be read by itself.
    state.synced.rules.set();
    state.synced.namespaces.set();
    state.synced.ca_bundle.set();
    assert_eq!(
        call(state.clone(), "GET", "/readyz", "").await.0,
        StatusCode::OK
    );
    state.synced.shutting_down.set();
    assert_eq!(
        call(state, "GET", "/readyz", "").await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn while_a_replica_shuts_down_each_answer_ends_its_connection() {
    let state = state();
    let answer = async || {
        let body = Body::from(review(&job_controller()).to_string());
        let request = Request::post("/mutate").body(body).unwrap();
        app(state.clone()).oneshot(request).await.unwrap()
    };
    assert_eq!(answer().await.headers().get("connection"), None);
    state.synced.shutting_down.set();
    let last = answer().await;
    assert_eq!(last.status(), StatusCode::OK);
    assert_eq!(last.headers()["connection"], "close");
}

#[tokio::test]
async fn without_rules_every_request_is_refused_with_503() {
    let empty = Arc::new(State::new(Box::new(|| 0)));
    let (status, answer) = call(
        empty,
        "POST",
        "/mutate",
        review(&job_controller()).to_string(),
    )
    .await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["response"]["status"]["code"], 503);
}

#[tokio::test]
async fn decisions_are_counted_by_kind_outcome_and_reason() {
    let state = state();
    call(
        state.clone(),
        "POST",
        "/mutate",
        review(&job_controller()).to_string(),
    )
    .await;
    call(state.clone(), "POST", "/mutate", "x").await;
    let (_, text) = scrape(state, "GET", "/metrics").await;
    let line = "namesake_webhook_decisions_total{webhook=\"mutate\",kind=\"Pod\",outcome=\"identity\",reason=\"\"} 1";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("namesake_webhook_malformed_total 1"));
    assert!(text.contains("namesake_webhook_decision_seconds_count{webhook=\"mutate\"} 1"));
}

#[tokio::test]
async fn the_metrics_port_serves_no_admission_and_the_admission_port_no_metrics() {
    let (status, _) = call(state(), "GET", "/metrics", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let admission = [
        names::MUTATE_PATH,
        names::MUTATE_NAMESPACES_PATH,
        names::VALIDATE_PATH,
        names::VALIDATE_RULES_PATH,
        names::GUARD_PATH,
    ];
    for path in admission {
        let (status, _) = scrape(state(), "POST", path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [names::READY_PATH, "/"] {
        let (status, _) = scrape(state(), "GET", path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}

thread_local! {
    /// What this thread logs, while a test reads it.
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The answer to a review, and what the log says meanwhile.
async fn logged(review: Request<Body>) -> (Value, String) {
    // For all threads: tracing remembers of a place in the code whether anybody wanted its events when it was first reached.
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(|| LogWriter);
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    });
    LOG.set(Some(Vec::new()));
    let answer = app(state()).oneshot(review).await.unwrap();
    let (status, answer) = status_and_text(answer).await;
    assert_eq!(status, StatusCode::OK);
    let log = String::from_utf8(LOG.take().unwrap()).unwrap();
    (serde_json::from_str(&answer).unwrap(), log)
}

struct LogWriter;

impl std::io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| {
            if let Some(log) = log {
                log.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_decision_is_logged_with_the_trace_that_the_api_server_names() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let review = review(&job_controller()).to_string();
    let request = Request::post("/mutate").body(review.clone().into());
    let mut request = request.unwrap();
    let header = format!("00-{trace}-00f067aa0ba902b7-01");
    request
        .headers_mut()
        .insert("traceparent", header.parse().unwrap());
    let (_, log) = logged(request).await;
    assert!(log.contains(&format!("\"trace_id\":\"{trace}\"")), "{log}");
    let plain = Request::post("/mutate").body(review.into()).unwrap();
    let (_, log) = logged(plain).await;
    assert!(
        log.contains("\"decision\"") && !log.contains("trace_id"),
        "{log}"
    );
}

#[tokio::test]
async fn the_line_of_a_decision_says_what_the_audit_annotations_say() {
    let review = review(&job_controller()).to_string();
    let request = Request::post("/mutate").body(review.into());
    let (answer, log) = logged(request.unwrap()).await;
    let line = log.lines().find(|line| line.contains("\"decision\""));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    let audited = answer["response"]["auditAnnotations"].as_object().unwrap();
    for key in [
        "decision",
        "rules",
        "generate-name",
        "owner-kind",
        "owner-name",
        "owner-uid",
    ] {
        assert!(audited.contains_key(key), "{key} is not in {answer}");
    }
    for (key, value) in audited {
        assert_eq!(&line[key.replace('-', "_")], value, "{key} in {log}");
    }
}

use axum::body::Body;
use axum::http::{Request as HttpRequest, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::cluster::namespaces;
use crate::identity::store::Identities;
use crate::server::config;
use crate::server::ready::Ready;

/// A broker whose API server is not running.
pub(super) fn broker() -> Arc<Broker> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A port that was free a moment ago: connections are refused.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}").parse().unwrap();
    broker_with(Client::try_from(kube::Config::new(url)).unwrap())
}

/// A broker with this client for the API server.
pub(super) fn broker_with(client: Client) -> Arc<Broker> {
    let ready = Arc::new(Ready::default());
    let (namespaces, _) = namespaces::watch(client.clone(), Arc::clone(&ready));
    let (config, none) = (config::Config::default(), Identities::none());
    let shared = Shared::new(config, namespaces, none, ready);
    Arc::new(Broker::new(client, shared))
}

async fn send(broker: &Arc<Broker>, request: HttpRequest<Body>) -> (StatusCode, String) {
    let response = app(Arc::clone(broker)).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn get(path: &str) -> HttpRequest<Body> {
    HttpRequest::get(path).body(Body::empty()).unwrap()
}

fn post(authorization: Option<&str>, body: impl Into<Body>) -> HttpRequest<Body> {
    let request = HttpRequest::post(names::IDENTITIES_PATH);
    let request = authorization
        .into_iter()
        .fold(request, |r, value| r.header(header::AUTHORIZATION, value));
    request.body(body.into()).unwrap()
}

fn error(body: &str) -> (u64, String) {
    let body: Value = serde_json::from_str(body).unwrap();
    let error = &body["error"];
    assert!(!error["message"].as_str().unwrap().is_empty());
    (
        error["code"].as_u64().unwrap(),
        error["reason"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn a_call_without_a_token_is_refused() {
    let (status, body) = send(&broker(), post(None, "{}")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(error(&body), (401, "Unauthenticated".into()));
}

#[tokio::test]
async fn without_the_api_server_no_caller_is_authenticated() {
    let (status, body) = send(&broker(), post(Some("Bearer t"), "{}")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(error(&body).1, "ApiServerUnavailable");
    assert!(!body.contains("Bearer t"));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused() {
    let (status, body) = send(&broker(), get("/v1/accounts")).await;
    assert_eq!((status, error(&body).0), (StatusCode::NOT_FOUND, 404));
    let (status, body) = send(&broker(), get(names::IDENTITIES_PATH)).await;
    assert_eq!(
        (status, error(&body).0),
        (StatusCode::METHOD_NOT_ALLOWED, 405)
    );
}

#[tokio::test]
async fn readyz_names_what_is_missing() {
    let broker = broker();
    let (status, body) = send(&broker, get(names::READY_PATH)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("namesake-rules"), "{body}");
    use crate::server::ready::ReadyPart::*;
    for part in [Rules, Namespaces, Certificate] {
        broker.shared.ready.set(part);
    }
    assert_eq!(
        send(&broker, get(names::READY_PATH)).await.0,
        StatusCode::OK
    );
    assert_eq!(
        send(&broker, get(names::HEALTH_PATH)).await.0,
        StatusCode::OK
    );
}

async fn scraped(broker: &Arc<Broker>, request: HttpRequest<Body>) -> (StatusCode, String) {
    let app = metrics_app(Arc::clone(&broker.shared.metrics));
    let response = app.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn answers_are_counted() {
    let broker = broker();
    send(&broker, post(None, "{}")).await;
    let (_, text) = scraped(&broker, get(names::METRICS_PATH)).await;
    assert!(
        text.contains("namesake_broker_requests_total{code=\"401\"} 1"),
        "{text}"
    );
}

#[tokio::test]
async fn the_metrics_port_has_no_api_and_the_apis_port_has_no_metrics() {
    let broker = broker();
    let (status, _) = send(&broker, get(names::METRICS_PATH)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for request in [post(None, "{}"), get(names::READY_PATH), get("/")] {
        assert_eq!(scraped(&broker, request).await.0, StatusCode::NOT_FOUND);
    }
}

#[test]
fn a_body_that_is_not_a_request_is_refused_with_the_reason() {
    let good = serde_json::json!({"namespace": "n", "class": "c", "user": "u", "groups": [], "values": {"user": "u"}});
    assert!(request::parse(good.to_string().as_bytes()).is_ok());
    let long = "x".repeat(2000);
    for (key, value) in [
        ("namespace", serde_json::json!("../kube-system")),
        ("namespace", serde_json::json!("")),
        ("class", serde_json::json!("")),
        ("user", serde_json::json!(long)),
        ("values", serde_json::json!({"user": long})),
        ("project", serde_json::json!("somebody-elses")),
        ("serviceAccount", serde_json::json!("default")),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        let refused = request::parse(bad.to_string().as_bytes()).unwrap_err();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{key}");
        assert!(refused.message().contains(key), "{}", refused.message());
    }
    assert!(request::parse(b"\xff\x00").is_err());
}

#[tokio::test]
async fn a_body_that_is_too_long_is_read_on_and_refused() {
    let chunks = |count: usize| {
        let chunk =
            || Ok::<_, std::io::Error>(axum::body::Bytes::from(vec![b' '; request::BODY_BYTES]));
        Body::from_stream(futures::stream::iter((0..count).map(move |_| chunk())))
    };
    assert_eq!(
        request::read(chunks(1)).await.unwrap().len(),
        request::BODY_BYTES
    );
    for count in [2, 1000] {
        assert_eq!(
            request::read(chunks(count)).await.unwrap_err().status(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }
}

//! The other routes, and the socket itself.

use axum::body::Body;
use axum::http::Request;
use namesake_api::names;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::setup::{ENFORCE, Gateway, person, question};

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn the_keys_of_the_cluster_are_served_once_they_were_read() {
    let gateway = Gateway::start(ENFORCE).await;
    assert_eq!(
        gateway.send(get(names::CLUSTER_KEYS_PATH)).await.status,
        503
    );
    let keys = r#"{"keys": [{"kty": "RSA"}]}"#;
    gateway.state.cluster_keys.set(keys.to_owned()).unwrap();
    let answer = gateway.send(get(names::CLUSTER_KEYS_PATH)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, keys));
}

#[tokio::test]
async fn it_is_ready_when_all_is_read() {
    let gateway = Gateway::start(ENFORCE).await;
    let answer = gateway.send(get(names::READY_PATH)).await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.body.contains("Identities are not listed"),
        "{}",
        answer.body
    );
    gateway.state.synced.set_rules();
    gateway.state.synced.set_identities();
    gateway.state.synced.set_cluster_keys();
    assert_eq!(gateway.send(get(names::READY_PATH)).await.status, 200);
    assert_eq!(gateway.send(get(names::HEALTH_PATH)).await.status, 200);
}

#[tokio::test]
async fn what_is_not_a_route_of_the_socket_is_not_found() {
    let gateway = Gateway::start(ENFORCE).await;
    for path in ["/", "/flows", "/authorizex", "/metrics"] {
        assert_eq!(gateway.send(get(path)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_request_over_the_socket_is_answered_and_the_next_on_the_same_connection_too() {
    let gateway = Gateway::start(ENFORCE).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authorizer.sock");
    let listener = namesake_gateway::bind_socket(&path).unwrap();
    let app = namesake_gateway::app(gateway.state.clone());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    for _ in 0..2 {
        let (head, _) = question(&person("alice"), "api", "GET", "/ping?x=1", "").into_parts();
        let mut text = format!("GET {} HTTP/1.1\r\nhost: api.acme.com\r\n", head.uri);
        for (name, value) in &head.headers {
            text += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        stream
            .write_all(format!("{text}\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(
            answer.contains("x-namesake-user: alice@acme.com"),
            "{answer}"
        );
    }
    server.abort();
}

//! The floor: axum and rustls answering a constant. No admission server in this language can cost less.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum_server::tls_rustls::RustlsConfig;

/// Allowed, and nothing else: 80 bytes.
const ANSWER: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"0","allowed":true}}"#;

/// Serves a constant review on `POST /mutate` until the process ends. The body is read whole, as any server must.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve_floor(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
) -> anyhow::Result<()> {
    let app = Router::new().route(
        "/mutate",
        post(|_body: Bytes| async { ([(CONTENT_TYPE, "application/json")], ANSWER) }),
    );
    axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(tls))
        .context("failed to listen")?
        .serve(app.into_make_service())
        .await
        .context("floor stopped")
}

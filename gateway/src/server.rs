//! HTTP on the Unix socket: Envoy's questions, the page, and the keys of the cluster's tokens; metrics and health on a port of their
//! own.

pub(crate) mod args;
mod authorize;
mod page;
mod refusal;
pub(crate) mod run;
mod who;

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use namesake_api::names;
use namesake_service::METRICS_CONTENT_TYPE;

use crate::state::State;

/// The routes of the socket. Only Envoy may reach it: whoever sets the header of the claims is believed.
pub fn app(state: Arc<State>) -> Router {
    let wildcard = format!("{}/{{*path}}", names::AUTHORIZE_PATH);
    Router::new()
        .route(names::AUTHORIZE_PATH, any(authorize::authorize))
        .route(
            &format!("{}/", names::AUTHORIZE_PATH),
            any(authorize::authorize),
        )
        .route(&wildcard, any(authorize::authorize))
        .route(names::CLUSTER_KEYS_PATH, get(cluster_keys))
        .merge(page::routes())
        .merge(health())
        .with_state(state)
}

/// The routes of the metrics port, which others than Envoy may reach: nothing here decides anything.
pub fn metrics_app(state: Arc<State>) -> Router {
    Router::new()
        .route(names::METRICS_PATH, get(metrics))
        .merge(health())
        .with_state(state)
}

fn health() -> Router<Arc<State>> {
    Router::new()
        .route(names::HEALTH_PATH, get(|| async { "ok\n" }))
        .route(names::READY_PATH, get(ready))
}

async fn ready(Extract(state): Extract<Arc<State>>) -> Response {
    let missing = state.synced.missing();
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    let text = format!("{}\n", missing.join("\n"));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn cluster_keys(Extract(state): Extract<Arc<State>>) -> Response {
    match state.cluster_keys.get() {
        Some(keys) => {
            let keys = keys.as_str().to_owned();
            ([(header::CONTENT_TYPE, "application/json")], keys).into_response()
        }
        None => {
            let text = "the keys of the cluster's tokens have not been read yet\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn metrics(Extract(state): Extract<Arc<State>>) -> Response {
    let kind = [(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)];
    (kind, state.metrics.text()).into_response()
}

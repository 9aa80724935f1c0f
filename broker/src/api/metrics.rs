//! The metrics port. It has no API, so that others than the webhook may reach it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use namesake_api::names;
use namesake_service::METRICS_CONTENT_TYPE;

use crate::server::metrics::Metrics;

/// The routes of the metrics port.
pub fn metrics_app(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route(names::METRICS_PATH, get(encoded))
        .with_state(metrics)
}

async fn encoded(State(metrics): State<Arc<Metrics>>) -> Response {
    // It counts every Identity, so it must not block the API.
    let text = tokio::task::spawn_blocking(move || metrics.encode()).await;
    text.map_or_else(
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |text| ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], text).into_response(),
    )
}

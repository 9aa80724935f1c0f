//! HTTP: reviews in, answers out, and health; metrics on a port of their own.

pub(crate) mod args;
pub(crate) mod run;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Extract};
use axum::http::{Extensions, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_server::tls::TlsInfo;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use namesake_api::names;
use tokio::sync::Semaphore;

use crate::admit::{self, Webhook};
use crate::review::{self, MAX_REVIEW_BYTES};
use crate::state::State;

/// Reviews that may be under way at once; more are turned away at once, so that they do not queue until all time out.
const MAX_UNDER_WAY: usize = 512;
/// Longest that any review may take, whatever the API server would allow.
const MAX_TIMEOUT: Duration = Duration::from_secs(10);
/// Left of the API server's timeout for the answer's way back.
const MARGIN: Duration = Duration::from_millis(500);

/// Who may ask for reviews.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Askers {
    /// Whoever reaches the port.
    Anyone,
    /// Whoever showed a certificate of an authority that the TLS configuration trusts: the API server.
    Certified,
}

#[derive(Clone)]
struct Server {
    state: Arc<State>,
    slots: Arc<Semaphore>,
    askers: Askers,
}

/// The routes of the admission port, for whoever reaches it.
pub fn app(state: Arc<State>) -> Router {
    app_for(state, Askers::Anyone)
}

/// All routes; reviews are for these askers only.
pub fn app_for(state: Arc<State>, askers: Askers) -> Router {
    let slots = Arc::new(Semaphore::new(MAX_UNDER_WAY));
    Router::new()
        .route(names::MUTATE_PATH, post(mutate))
        .route(names::MUTATE_NAMESPACES_PATH, post(mutate_namespaces))
        .route(names::VALIDATE_PATH, post(validate))
        .route(names::VALIDATE_RULES_PATH, post(validate_rules))
        .route(names::GUARD_PATH, post(guard))
        .route(names::HEALTH_PATH, get(|| async { "ok\n" }))
        .route(names::READY_PATH, get(ready))
        .route(names::UNPROVEN_PATH, get(unproven))
        .with_state(Server {
            state,
            slots,
            askers,
        })
}

/// The routes of the metrics port, which others than the API server may reach: nothing here decides anything.
pub fn metrics_app(state: Arc<State>) -> Router {
    Router::new()
        .route(names::METRICS_PATH, get(metrics))
        .with_state(state)
}

async fn mutate(Extract(server): Extract<Server>, request: Request) -> Response {
    server.answer(Webhook::Mutate, request).await
}

async fn mutate_namespaces(Extract(server): Extract<Server>, request: Request) -> Response {
    server.answer(Webhook::MutateNamespaces, request).await
}

async fn validate(Extract(server): Extract<Server>, request: Request) -> Response {
    server.answer(Webhook::Validate, request).await
}

async fn validate_rules(Extract(server): Extract<Server>, request: Request) -> Response {
    server.answer(Webhook::ValidateRules, request).await
}

async fn guard(Extract(server): Extract<Server>, request: Request) -> Response {
    server.answer(Webhook::Guard, request).await
}

impl Server {
    async fn answer(&self, webhook: Webhook, request: Request) -> Response {
        let came = Instant::now();
        let Ok(_slot) = self.slots.try_acquire() else {
            self.state.metrics.overloaded.inc();
            let text = format!("{MAX_UNDER_WAY} reviews are under way: try again\n");
            return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        };
        let (head, body) = request.into_parts();
        if head.headers.keys().any(is_a_proxys) {
            let text = "only the API server itself asks for reviews, and this came through a proxy";
            return self.malformed(StatusCode::FORBIDDEN, text);
        }
        if self.askers == Askers::Certified && !showed_certificate(&head.extensions) {
            let text = "reviews are for the API server only, and this connection showed no certificate of its authority: see \
                        --client-ca-file";
            return self.malformed(StatusCode::FORBIDDEN, text);
        }
        let allowed = review::timeout(head.uri.query()).unwrap_or(MAX_TIMEOUT);
        let deadline = came + allowed.min(MAX_TIMEOUT).saturating_sub(MARGIN);
        let body = match read(body, deadline).await {
            Ok(body) => body,
            Err((status, text)) => return self.malformed(status, &text),
        };
        let began = Instant::now();
        match admit::admit(&self.state, webhook, &body, began, deadline).await {
            Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
            Err(malformed) => self.malformed(StatusCode::BAD_REQUEST, &malformed.to_string()),
        }
    }

    fn malformed(&self, status: StatusCode, text: &str) -> Response {
        self.state.metrics.malformed.inc();
        tracing::warn!(%status, text, "a request that is no review");
        (status, format!("{text}\n")).into_response()
    }
}

// The API server's own calls have none; what it passes on for somebody (services/proxy, pods/proxy) always has, and comes
// from where its own calls come from.
fn is_a_proxys(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-")
}

// One that did not fit ended the handshake.
fn showed_certificate(extensions: &Extensions) -> bool {
    let info = extensions.get::<Arc<TlsInfo>>();
    info.is_some_and(|info| !info.peer_certificates.is_empty())
}

// The whole body, or what to answer instead. Who sends too slowly must not hold a slot.
async fn read(body: Body, deadline: Instant) -> Result<Bytes, (StatusCode, String)> {
    let whole = Limited::new(body, MAX_REVIEW_BYTES).collect();
    match tokio::time::timeout_at(deadline.into(), whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("the body is larger than {MAX_REVIEW_BYTES} bytes");
            Err((StatusCode::PAYLOAD_TOO_LARGE, text))
        }
        Ok(Err(error)) => {
            let text = format!("the body could not be read: {error}");
            Err((StatusCode::BAD_REQUEST, text))
        }
        Err(_) => {
            let text = "the body did not come in time".to_owned();
            Err((StatusCode::REQUEST_TIMEOUT, text))
        }
    }
}

async fn ready(Extract(server): Extract<Server>) -> Response {
    let missing = server.state.synced.missing();
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    let text = format!("{}\n", missing.join("\n"));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn unproven(Extract(server): Extract<Server>) -> Response {
    axum::Json(server.state.survey().unproven).into_response()
}

async fn metrics(Extract(state): Extract<Arc<State>>) -> Response {
    let survey = state.survey();
    state.count_surveyed(&survey);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], state.metrics.text()).into_response()
}

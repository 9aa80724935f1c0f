//! HTTP: reviews in, answers out, and health; metrics on a port of their own.

pub(crate) mod args;
mod report;
pub(crate) mod run;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Extract};
use axum::http::{Extensions, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum_server::tls::TlsInfo;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use namesake_api::names;
use namesake_service::{METRICS_CONTENT_TYPE, parse_duration};
use tokio::sync::Semaphore;

use crate::admit::{self, Webhook};
use crate::review::MAX_REVIEW_BYTES;
use crate::review::trace::{self, TraceId};
use crate::state::State;
use crate::survey::Survey;

/// Reviews that may be in progress at once; more are turned away, so that they do not queue until all time out.
const MAX_IN_PROGRESS: usize = 512;
/// Longest that any review may take, whatever the API server would allow.
const MAX_TIMEOUT: Duration = Duration::from_secs(10);
/// Left of the API server's timeout for sending the answer.
const MARGIN: Duration = Duration::from_millis(500);

/// The clients that may send reviews.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedClients {
    /// Every client that can connect.
    Any,
    /// Clients with a certificate of an authority that the TLS configuration trusts: the API server.
    WithCertificate,
}

#[derive(Clone)]
struct Server {
    state: Arc<State>,
    slots: Arc<Semaphore>,
    clients: AllowedClients,
}

/// The routes of the admission port, for any client.
pub fn app(state: Arc<State>) -> Router {
    app_for(state, AllowedClients::Any)
}

/// The routes of the admission port; only these clients may send reviews.
pub fn app_for(state: Arc<State>, clients: AllowedClients) -> Router {
    let slots = Arc::new(Semaphore::new(MAX_IN_PROGRESS));
    Router::new()
        .route(names::MUTATE_PATH, review(Webhook::Mutate))
        .route(names::MUTATE_LABELS_PATH, review(Webhook::MutateLabels))
        .route(
            names::MUTATE_NAMESPACES_PATH,
            review(Webhook::MutateNamespaces),
        )
        .route(names::VALIDATE_PATH, review(Webhook::Validate))
        .route(names::VALIDATE_RULES_PATH, review(Webhook::ValidateRules))
        .route(names::GUARD_PATH, review(Webhook::Guard))
        .route(names::HEALTH_PATH, get(|| async { "ok\n" }))
        .route(names::READY_PATH, get(ready))
        .layer(map_response_with_state(
            Arc::clone(&state),
            close_while_shutting_down,
        ))
        .with_state(Server {
            state,
            slots,
            clients,
        })
}

// While this replica shuts down, each answer ends its connection, and the API server opens the next one to another replica. An open
// connection would be closed at the end, perhaps while a review is on its way; the API server does not send a review again.
async fn close_while_shutting_down(
    Extract(state): Extract<Arc<State>>,
    mut answer: Response,
) -> Response {
    if state.synced.shutting_down.is_set() {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    answer
}

/// The routes of the metrics port, which others than the API server may reach: nothing here decides anything.
pub fn metrics_app(state: Arc<State>) -> Router {
    Router::new()
        .route(names::METRICS_PATH, get(metrics))
        .with_state(state)
}

fn review(webhook: Webhook) -> MethodRouter<Server> {
    post(
        move |Extract(server): Extract<Server>, request: Request| async move {
            server.answer(webhook, request).await
        },
    )
}

impl Server {
    async fn answer(&self, webhook: Webhook, request: Request) -> Response {
        let arrived = Instant::now();
        let Ok(_slot) = self.slots.try_acquire() else {
            self.state.metrics.overloaded.inc();
            let text = format!("{MAX_IN_PROGRESS} reviews are in progress: try again\n");
            return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        };
        let (head, body) = request.into_parts();
        if head.headers.keys().any(is_from_proxy) {
            let text =
                "only the API server itself may send reviews, and this one came through a proxy";
            return self.malformed(StatusCode::FORBIDDEN, text);
        }
        if self.clients == AllowedClients::WithCertificate && !has_certificate(&head.extensions) {
            let text = "only the API server may send reviews, and this connection has no certificate of its authority: see \
                        --client-ca-file";
            return self.malformed(StatusCode::FORBIDDEN, text);
        }
        let allowed = timeout(head.uri.query()).unwrap_or(MAX_TIMEOUT);
        let deadline = arrived + allowed.min(MAX_TIMEOUT).saturating_sub(MARGIN);
        let body = match read(body, deadline).await {
            Ok(body) => body,
            Err((status, text)) => return self.malformed(status, &text),
        };
        let began = Instant::now();
        let admitted = trace::within(
            TraceId::of(&head.headers),
            admit::admit(&self.state, webhook, &body, began, deadline),
        );
        match admitted.await {
            Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
            Err(malformed) => self.malformed(StatusCode::BAD_REQUEST, &malformed.to_string()),
        }
    }

    fn malformed(&self, status: StatusCode, text: &str) -> Response {
        self.state.metrics.malformed.inc();
        tracing::warn!(%status, text, "request is not a review");
        (status, format!("{text}\n")).into_response()
    }
}

// Calls of the API server itself have no such header; requests that it proxies (services/proxy, pods/proxy) always have one, and
// come from the same addresses.
fn is_from_proxy(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-")
}

// A certificate that is not valid has ended the handshake.
fn has_certificate(extensions: &Extensions) -> bool {
    let info = extensions.get::<Arc<TlsInfo>>();
    info.is_some_and(|info| !info.peer_certificates.is_empty())
}

// The time that the API server gives a review: `timeout` of the query, such as `10s`.
fn timeout(query: Option<&str>) -> Option<Duration> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == "timeout")?;
    let timeout = parse_duration(value).ok()?;
    (!timeout.is_zero()).then_some(timeout)
}

// The whole body, or what to answer instead. A client that sends too slowly must not hold a slot.
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
            let text = "the body did not arrive in time".to_owned();
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

async fn metrics(Extract(state): Extract<Arc<State>>) -> Response {
    Survey::of(&state).count(&state.metrics);
    let kind = [(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)];
    (kind, state.metrics.text()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_of_the_query_is_a_go_duration() {
        for (query, milliseconds) in [
            ("timeout=10s", 10_000),
            ("a=b&timeout=1m30s", 90_000),
            ("timeout=1.5s", 1_500),
            ("timeout=500ms", 500),
        ] {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(timeout(Some(query)), Some(expected), "{query}");
        }
        for query in [
            "timeout=",
            "timeout=10",
            "timeout=s",
            "timeout=-1s",
            "timeout=9e999s",
            "timeout=0s",
            "x=1s",
        ] {
            assert_eq!(timeout(Some(query)), None, "{query}");
        }
        assert_eq!(timeout(None), None);
    }
}

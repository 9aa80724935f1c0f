//! The broker's HTTPS API: `POST /v1/identities` makes sure that an identity is there. The webhook is its only caller; what
//! it may ask for, and everything else about the identity, the broker takes from its own copy of the rules.

mod auth;
mod error;
mod keyed_mutex;
mod limit;
mod provision;
mod request;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use kube::Client;
use namesake_api::names;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

pub use auth::Callers;
pub use error::{ApiError, Reason};
pub use limit::Buckets;
pub use request::{Answer, Ask};

use crate::api::keyed_mutex::Turns;
use crate::cluster::leader::Pace;
use crate::cluster::namespaces::Namespaces;
use crate::identity::store::Identities;
use crate::server::config::Config;
use crate::server::metrics::Metrics;
use crate::server::ready::Ready;
use crate::server::rules::CurrentRules;

/// Longest body of a request, in bytes; a real one has a few hundred.
const BODY_BYTES: usize = 64 * 1024;
/// As much of a longer body is read before it is refused.
const DRAINED_BYTES: usize = 4 * 1024 * 1024;
/// Longest that a call may take; its caller waits for less.
const CALL: Duration = Duration::from_secs(20);

/// What the handlers share.
pub struct Broker {
    /// The API server, as the broker.
    pub client: Client,
    /// What the broker was told.
    pub config: Config,
    /// The rules in force.
    pub rules: Arc<CurrentRules>,
    /// The namespaces that opted in.
    pub namespaces: Arc<Namespaces>,
    /// The Identities that there are.
    pub identities: Identities,
    /// Who may call.
    pub callers: Callers,
    /// New identities of each user.
    pub buckets: Mutex<Buckets>,
    /// Whether we can serve.
    pub ready: Arc<Ready>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// One call at a time for each identity; the others find what the first has made.
    flights: Turns<String>,
    /// Slowed down while somebody waits for an answer.
    pace: Arc<Pace>,
    /// What is written after the answer.
    afterwards: TaskTracker,
}

impl Broker {
    /// A broker that has answered nothing yet.
    #[must_use]
    pub fn new(
        client: Client,
        config: Config,
        rules: Arc<CurrentRules>,
        namespaces: Arc<Namespaces>,
        identities: Identities,
        ready: Arc<Ready>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            callers: Callers::new(&config),
            buckets: Mutex::new(Buckets::per_minute(config.identities_per_minute)),
            flights: Turns::default(),
            pace: Arc::default(),
            afterwards: TaskTracker::new(),
            client,
            config,
            rules,
            namespaces,
            identities,
            ready,
            metrics,
        }
    }

    /// The same, which slows this pace down while somebody waits for an answer.
    #[must_use]
    pub fn with_pace(self, pace: Arc<Pace>) -> Self {
        Self { pace, ..self }
    }

    /// Waits for what is written after answers that were given, once no more are.
    pub async fn finish(&self) {
        self.afterwards.close();
        self.afterwards.wait().await;
    }
}

/// The routes of the API's port.
pub fn app(broker: Arc<Broker>) -> Router {
    Router::new()
        .route(names::IDENTITIES_PATH, post(identities))
        .route(names::HEALTH_PATH, get(|| async { "ok" }))
        .route(names::READY_PATH, get(readyz))
        .method_not_allowed_fallback(|| async { ApiError::method() })
        .fallback(|| async { ApiError::path() })
        .with_state(broker)
}

/// The routes of the metrics port, which others than the webhook may reach: nothing here makes anything.
pub fn metrics_app(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route(names::METRICS_PATH, get(encoded))
        .with_state(metrics)
}

async fn identities(State(broker): State<Arc<Broker>>, request: Request) -> Response {
    let answered = tokio::time::timeout(CALL, answer(&broker, request)).await;
    let late = || Err(ApiError::away("the API server took too long: ask again"));
    let answered = answered.unwrap_or_else(|_| late());
    let (status, response) = match answered {
        Ok(answer) => (StatusCode::OK, Json(answer).into_response()),
        Err(error) => (error.status(), error.into_response()),
    };
    broker.metrics.answered(status.as_u16());
    response
}

/// The caller is checked before its body is read.
async fn answer(broker: &Arc<Broker>, request: Request) -> Result<Answer, ApiError> {
    broker
        .callers
        .check(&broker.client, request.headers(), broker.now())
        .await?;
    let revision = request.headers().get(names::RULES_REVISION_HEADER);
    let revision = revision
        .and_then(|revision| revision.to_str().ok())
        .map(str::to_owned);
    let body = read(request.into_body()).await?;
    let ask = Ask::parse(&body)?;
    let _waits = broker.pace.somebody_waits();
    let provisioned = provision::provision(broker, &ask, revision.as_deref()).await;
    let Ask {
        namespace,
        class,
        user,
        ..
    } = &ask;
    match &provisioned {
        Ok(answer) => {
            info!(%namespace, %class, %user, name = %answer.name, ready = answer.ready, "identity is there");
        }
        Err(error) => {
            let reason = error.reason();
            warn!(%namespace, %class, %user, %reason, message = %error.message(), "identity refused");
        }
    }
    provisioned
}

/// Reads a body to its end. One that is too long is refused, and read on for a while all the same: who is still sending
/// would see a broken connection instead of the answer.
async fn read(body: Body) -> Result<Vec<u8>, ApiError> {
    let (mut chunks, mut kept, mut length) = (body.into_data_stream(), Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))?;
        length += chunk.len();
        if length > DRAINED_BYTES {
            break;
        }
        if length <= BODY_BYTES {
            kept.extend_from_slice(&chunk);
        }
    }
    if length > BODY_BYTES {
        Err(ApiError::too_large(BODY_BYTES))
    } else {
        Ok(kept)
    }
}

async fn readyz(State(broker): State<Arc<Broker>>) -> Response {
    match broker.ready.missing() {
        None => "ok".into_response(),
        Some(what) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("waiting for {what}"),
        )
            .into_response(),
    }
}

async fn encoded(State(metrics): State<Arc<Metrics>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    // Every Identity is counted: whoever waits for an answer is served meanwhile.
    let text = tokio::task::spawn_blocking(move || metrics.encode()).await;
    text.map_or_else(
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |text| ([(header::CONTENT_TYPE, kind)], text).into_response(),
    )
}

impl Broker {
    fn now(&self) -> jiff::Timestamp {
        (self.config.clock)()
    }
}

#[cfg(test)]
mod tests;

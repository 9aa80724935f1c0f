//! The broker's HTTPS API: `POST /v1/identities` makes sure that an identity is there. The webhook is its only caller; what
//! it may ask for, and everything else about the identity, the broker takes from its own copy of the rules.

mod auth;
mod error;
mod limit;
mod provision;
mod request;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use kube::Client;
use namesake_api::names;
use tracing::{info, warn};

pub use auth::Callers;
pub use error::{ApiError, Reason};
pub use limit::Buckets;
pub use request::{Answer, Ask};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::namespaces::Namespaces;
use crate::ready::Ready;
use crate::rules::CurrentRules;
use crate::turns::Turns;

/// Longest body of a request, in bytes; a real one has a few hundred.
const BODY_BYTES: usize = 64 * 1024;

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
}

impl Broker {
    /// A broker that has answered nothing yet.
    #[must_use]
    pub fn new(
        client: Client,
        config: Config,
        rules: Arc<CurrentRules>,
        namespaces: Arc<Namespaces>,
        ready: Arc<Ready>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            callers: Callers::new(&config),
            buckets: Mutex::new(Buckets::per_minute(config.identities_per_minute)),
            flights: Turns::default(),
            client,
            config,
            rules,
            namespaces,
            ready,
            metrics,
        }
    }
}

/// The whole API as a router.
pub fn app(broker: Arc<Broker>) -> Router {
    Router::new()
        .route(names::IDENTITIES_PATH, post(identities))
        .route(names::HEALTH_PATH, get(|| async { "ok" }))
        .route(names::READY_PATH, get(readyz))
        .route(names::METRICS_PATH, get(metrics))
        .method_not_allowed_fallback(|| async { ApiError::method() })
        .fallback(|| async { ApiError::path() })
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(broker)
}

async fn identities(State(broker): State<Arc<Broker>>, request: Request) -> Response {
    let answered = answer(&broker, request).await;
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
    let body = Bytes::from_request(request, &())
        .await
        .map_err(|e| ApiError::body(&e))?;
    let ask = Ask::parse(&body)?;
    let provisioned = provision::provision(broker, &ask).await;
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

async fn metrics(State(broker): State<Arc<Broker>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], broker.metrics.encode()).into_response()
}

impl Broker {
    fn now(&self) -> jiff::Timestamp {
        (self.config.clock)()
    }
}

#[cfg(test)]
mod tests;

//! The broker's HTTPS API. Its only caller is the webhook, which asks `POST /v1/identities` for an identity; everything about that
//! identity the broker takes from its own copy of the rules.

mod auth;
mod error;
mod keyed_mutex;
mod metrics;
mod provision;
mod rate_limit;
mod request;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use kube::Client;
use namesake_api::broker_api::IdentityAnswer;
use namesake_api::names;
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

pub use auth::Callers;
pub use error::ApiError;
use error::Result;
pub use metrics::metrics_app;
pub use rate_limit::UserRateLimits;

use crate::api::keyed_mutex::KeyedMutex;
use crate::server::shared::Shared;

/// Longest time that a call may take; its caller waits for less.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// What the handlers share.
pub struct Broker {
    /// Client for the API server.
    pub client: Client,
    /// What other parts use as well.
    pub shared: Shared,
    /// Who may call.
    pub callers: Callers,
    /// New identities of each user.
    pub rate_limits: Mutex<UserRateLimits>,
    /// One call at a time for each identity; the next ones find what the first has created.
    in_flight: KeyedMutex<String>,
    /// Writes that calls do not wait for.
    background: TaskTracker,
}

impl Broker {
    /// A broker that nobody has called yet.
    #[must_use]
    pub fn new(client: Client, shared: Shared) -> Self {
        let config = &shared.config;
        Self {
            callers: Callers::new(config),
            rate_limits: Mutex::new(UserRateLimits::per_minute(config.identities_per_minute)),
            in_flight: KeyedMutex::default(),
            background: TaskTracker::new(),
            client,
            shared,
        }
    }

    /// Waits for the writes that calls did not wait for. To be called after the last answer.
    pub async fn finish(&self) {
        self.background.close();
        self.background.wait().await;
    }

    fn now(&self) -> jiff::Timestamp {
        (self.shared.config.clock)()
    }
}

/// The routes of the API's port.
pub fn app(broker: Arc<Broker>) -> Router {
    Router::new()
        .route(names::IDENTITIES_PATH, post(identities))
        .route(names::HEALTH_PATH, get(|| async { "ok" }))
        .route(names::READY_PATH, get(readyz))
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .fallback(|| async { ApiError::no_such_path() })
        .with_state(broker)
}

async fn identities(State(broker): State<Arc<Broker>>, request: Request) -> Response {
    let answered = tokio::time::timeout(CALL_TIMEOUT, answer(&broker, request)).await;
    let answered = answered.unwrap_or_else(|_| {
        Err(ApiError::api_server_unavailable(
            "the API server took too long: try again",
        ))
    });
    let (status, response) = match answered {
        Ok(answer) => (StatusCode::OK, Json(answer).into_response()),
        Err(error) => (error.status(), error.into_response()),
    };
    broker.shared.metrics.request_answered(status.as_u16());
    response
}

/// Authenticates the caller before its body is read.
async fn answer(broker: &Arc<Broker>, request: Request) -> Result<IdentityAnswer> {
    broker
        .callers
        .check(&broker.client, request.headers(), broker.now())
        .await?;
    let revision = request.headers().get(names::RULES_REVISION_HEADER);
    let revision = revision
        .and_then(|revision| revision.to_str().ok())
        .map(str::to_owned);
    let body = request::read(request.into_body()).await?;
    let request = request::parse(&body)?;
    let _slow_down = broker.shared.leader_writes.yield_to_api();
    let provisioned = provision::provision(broker, &request, revision.as_deref()).await;
    let (namespace, class, user) = (&request.namespace, &request.class, &request.user);
    match &provisioned {
        Ok(answer) => {
            info!(%namespace, %class, %user, name = %answer.name, ready = answer.ready, "identity exists");
        }
        Err(error) => {
            let reason = error.reason();
            warn!(%namespace, %class, %user, %reason, message = %error.message(), "identity refused");
        }
    }
    provisioned
}

async fn readyz(State(broker): State<Arc<Broker>>) -> Response {
    match broker.shared.ready.why_not() {
        None => "ok".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

#[cfg(test)]
mod tests;

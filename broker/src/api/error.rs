//! Errors of the API as its caller gets them: a status, a reason for programs, a message for people.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use namesake_api::broker_api::{ErrorBody, ErrorDetails};
use namesake_core::{Reason, Refusal};

use crate::cluster::ensure::EnsureError;

/// The result of a part of a call.
pub(super) type Result<T, E = ApiError> = std::result::Result<T, E>;

/// A call that is refused.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    reason: Reason,
    message: String,
    retry_after: Option<Duration>,
}

impl ApiError {
    /// With the status that the reason has.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(reason.http_status());
        Self {
            status: status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            reason,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(Reason::Unauthenticated, message)
    }

    pub(crate) fn api_server_unavailable(message: impl Into<String>) -> Self {
        Self::new(Reason::ApiServerUnavailable, message)
    }

    pub(crate) fn too_many_identities(user: &str, limit: u32, wait: Duration) -> Self {
        let message = format!(
            "{user} may have {limit} new identities a minute, and has had them: wait {} s, or ask the admin to raise --identities-per-minute of the broker",
            wait.as_secs().max(1)
        );
        Self {
            retry_after: Some(wait),
            ..Self::new(Reason::TooManyIdentities, message)
        }
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message =
            "this path has another method: POST /v1/identities, GET /healthz, GET /readyz";
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            ..Self::bad_request(message)
        }
    }

    pub(crate) fn no_such_path() -> Self {
        let message = "no such path: use POST /v1/identities, GET /healthz or GET /readyz";
        Self::new(Reason::NotFound, message)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message =
            format!("the body has more than {limit} bytes; a real request has a few hundred");
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Self::bad_request(message)
        }
    }

    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Why, for programs.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Why, for people, and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.reason, refusal.message)
    }
}

impl From<EnsureError> for ApiError {
    fn from(error: EnsureError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = ErrorDetails {
            code: self.status.as_u16(),
            reason: self.reason.as_str().to_owned(),
            message: self.message,
        };
        let mut response = (self.status, Json(ErrorBody { error })).into_response();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

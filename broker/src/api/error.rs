//! Errors of the API as its caller sees them: a code, a word for programs, a sentence for people.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use namesake_core::{Reason as Refused, Refusal};
use serde_json::json;

use crate::cluster::ensure;

namesake_core::reasons! {
    /// Why a call was refused.
    pub enum Reason {
        /// The request is not what this API takes.
        BadRequest,
        /// No token, or not one for us.
        Unauthenticated,
        /// The caller is not the webhook.
        NotTheWebhook,
        /// The rules do not give this user this class here.
        NotEntitled,
        /// An admin has suspended the identity.
        Suspended,
        /// The identity's user had left, and nobody says that this is the same person.
        HasLeft,
        /// The class gives a role that the broker may not give.
        RoleNotAllowed,
        /// The namespace has not opted in to this stack.
        NotOptedIn,
        /// This replica has just started, and has not read everything yet.
        NotSynced,
        /// No such path.
        NotFound,
        /// Something of the name is not ours.
        Conflict,
        /// What was there is still being deleted.
        Leaving,
        /// The user made too many identities in the last minute.
        TooManyIdentities,
        /// No rules are loaded yet.
        RulesNotLoaded,
        /// The caller decided by other rules than are in force here.
        RulesDiffer,
        /// The API server did not do what it was asked.
        ApiServerUnavailable,
    }
}

/// One refused call.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    reason: &'static str,
    message: String,
    retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.as_str(),
            message: message.into(),
            retry_after: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Reason::BadRequest, message)
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Reason::Unauthenticated, message)
    }

    pub(crate) fn too_many(user: &str, limit: u32, wait: Duration) -> Self {
        let message = format!(
            "{user} may have {limit} new identities a minute and has had them: wait {} s, or ask the admin to raise the broker's --identities-per-minute",
            wait.as_secs().max(1)
        );
        let retry_after = Some(wait);
        Self {
            retry_after,
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                Reason::TooManyIdentities,
                message,
            )
        }
    }

    /// As the rules say it.
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        let status = match refusal.reason {
            Refused::MissingValue
            | Refused::IllegalValue
            | Refused::WrongValues
            | Refused::IllegalUser => StatusCode::BAD_REQUEST,
            _ => StatusCode::FORBIDDEN,
        };
        let reason = refusal.reason.as_str();
        Self {
            reason,
            ..Self::new(status, Reason::NotEntitled, &refusal.message)
        }
    }

    pub(crate) fn away(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Reason::ApiServerUnavailable,
            message,
        )
    }

    pub(crate) fn method() -> Self {
        let message = "this path takes another method: POST /v1/identities, GET /healthz, /readyz";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Reason::BadRequest, message)
    }

    pub(crate) fn path() -> Self {
        let message = "no such path: POST /v1/identities, GET /healthz, /readyz";
        Self::new(StatusCode::NOT_FOUND, Reason::NotFound, message)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!(
            "the body has more than {limit} bytes, and no real request has a tenth of that"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Reason::BadRequest, message)
    }

    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The word for programs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The sentence for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<ensure::Error> for ApiError {
    fn from(error: ensure::Error) -> Self {
        let message = error.to_string();
        match error {
            ensure::Error::Conflict { .. } | ensure::Error::Mark(_) => {
                Self::new(StatusCode::CONFLICT, Reason::Conflict, message)
            }
            ensure::Error::Leaving { .. } => {
                Self::new(StatusCode::CONFLICT, Reason::Leaving, message)
            }
            ensure::Error::Random | ensure::Error::Kube { .. } => Self::away(message),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let code = self.status.as_u16();
        let body = json!({"error": {"code": code, "reason": self.reason, "message": self.message}});
        let mut response = (self.status, Json(body)).into_response();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

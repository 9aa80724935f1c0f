//! Refusals as JSON: Metaflow's client prints the body of an answer.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use namesake_core::{Reason, Refusal};
use serde::Serialize;

/// Seconds after which what may pass by itself is worth another try.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

#[derive(Serialize)]
struct Body<'r> {
    message: &'r str,
    reason: &'static str,
    code: &'static str,
}

/// A refusal with this message.
pub(super) fn refuse(reason: Reason, message: &str) -> Refusal {
    Refusal {
        rule: None,
        reason,
        message: message.to_owned(),
    }
}

/// HTTP status code of a refusal.
pub(super) fn status(refusal: &Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.reason.http_status()).unwrap_or(StatusCode::FORBIDDEN)
}

/// The answer to a request that is refused.
pub(super) fn refused(refusal: &Refusal) -> Response {
    let body = Body {
        message: &refusal.message,
        reason: refusal.reason.as_str(),
        code: refusal.reason.code(),
    };
    let status = status(refusal);
    let mut answer = (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    answer
}

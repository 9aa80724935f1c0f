//! From an answer of Google to [`Error`]. Pure.

use google_cloud_gax::error::Error as GaxError;
use serde_json::json;

use super::answer::{Answer, MESSAGE_CHARS};
use super::details::Details;
use super::{Error, Failure};
use crate::Refusal;

impl Answer {
    /// The error that this answer means.
    pub(crate) fn error(self, what: &str) -> Error {
        let failure = Failure::new(what, self.full_message());
        let wait = self.details.retry_delay.or(self.retry_after);
        let may_be_refusal = matches!(self.http, Some(400 | 401 | 403 | 412));
        if let Some(by) = Refusal::of(&self).filter(|_| may_be_refusal) {
            return Error::Refused { failure, by };
        }
        match self.http {
            Some(429) => Error::throttled(failure, wait),
            Some(403) if is_rate_limit(&self.reason) => Error::throttled(failure, wait),
            Some(400) => bad_request(failure, &self.status),
            Some(401) => Error::Unauthenticated(failure),
            Some(403) => Error::PermissionDenied(failure),
            Some(404) => Error::NotFound(failure),
            Some(409) if self.status == "ABORTED" => Error::Conflict(failure),
            Some(409) => Error::AlreadyExists(failure),
            Some(412) if is_about_etag(&self.message) => Error::Conflict(failure),
            Some(408 | 500..=599) | None => Error::Unavailable(failure),
            Some(_) => Error::Invalid(failure),
        }
    }
}

/// The error of a call of Google's official crate.
pub(crate) fn from_gax(what: &str, error: &GaxError) -> Error {
    if error.is_authentication() {
        let is_transient = error.is_transient_and_before_rpc();
        return credentials(what, &source_text(error), is_transient);
    }
    if error.is_binding() || error.is_serialization() || error.is_deserialization() {
        return Error::Invalid(Failure::new(what, source_text(error)));
    }
    let status = error.status();
    let answer = Answer {
        // A success whose body was cut off is not an answer.
        http: error
            .http_status_code()
            .filter(|code| !(200..300).contains(code)),
        status: status.map(|s| s.code.name().to_owned()).unwrap_or_default(),
        reason: String::new(),
        message: status.map_or_else(|| source_text(error), |s| s.message.clone()),
        retry_after: None,
        details: status.map_or_else(Details::default, |s| Details::parse(&json!(s.details))),
    };
    answer.error(what)
}

/// The error of our own credentials.
pub(crate) fn credentials(what: &str, message: &str, is_transient: bool) -> Error {
    let failure = Failure::new(what, format!("our own credentials: {message}"));
    match is_transient {
        true => Error::Unavailable(failure),
        false => Error::Unauthenticated(failure),
    }
}

/// An error's text with those of its sources, because transport errors give the reason only there.
pub(crate) fn source_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = inner.source();
    }
    text.chars().take(MESSAGE_CHARS).collect()
}

fn bad_request(failure: Failure, status: &str) -> Error {
    let message = &failure.message;
    if status == "invalid_target" || message.contains("Identity Pool does not exist") {
        Error::PoolMissing(failure)
    } else if message.starts_with("Service account ") && message.contains("does not exist") {
        Error::NotYetVisible(failure)
    } else {
        Error::Invalid(failure)
    }
}

// The older APIs (storage, projects) answer 403 with one of these reasons instead of 429.
fn is_rate_limit(reason: &str) -> bool {
    matches!(
        reason,
        "rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded"
    )
}

/// Whether a 412 of storage means a stale etag; storage answers 412 to violated constraints as well.
fn is_about_etag(message: &str) -> bool {
    let message = message.to_lowercase();
    let words = ["pre-condition", "precondition", "conditionnotmet", "etag"];
    words.iter().any(|word| message.contains(word))
}

#[cfg(test)]
mod tests;

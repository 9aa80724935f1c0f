//! From what Google answers to [`Error`]. Pure.

use std::time::Duration;

use google_cloud_gax::error::rpc::StatusDetails;
use serde_json::Value;

use crate::{Error, Failure};

/// Longer texts are cut: they go into conditions and logs.
const MESSAGE_CHARS: usize = 600;

/// What matters of an answer that is not a success.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// HTTP status code; none when the request got no answer.
    pub(crate) http: Option<u16>,
    /// `error.status`, such as `ABORTED`; or the OAuth error, such as `invalid_grant`.
    pub(crate) status: String,
    /// `error.errors[0].reason`, such as `rateLimitExceeded`.
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Answer {
    /// Reads the body of an answer: the envelope of Google's APIs, or the OAuth form of the token exchange.
    pub(crate) fn parse(http: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = &json["error"];
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let (status, message) = match error {
            Value::String(code) => (code.clone(), text(&json["error_description"])),
            _ => (text(&error["status"]), text(&error["message"])),
        };
        let message = if message.is_empty() {
            format!("HTTP {http}")
        } else {
            message
        };
        let details = error["details"].as_array();
        let wait = details
            .into_iter()
            .flatten()
            .find_map(|d| duration(d["retryDelay"].as_str()?));
        Self {
            http: Some(http),
            status,
            reason: text(&error["errors"][0]["reason"]),
            message,
            retry_after: wait.or(retry_after),
        }
    }

    /// The error that it means.
    pub(crate) fn error(self, what: &str) -> Error {
        let failure = Failure {
            what: what.to_owned(),
            message: self.message.chars().take(MESSAGE_CHARS).collect(),
        };
        match self.http {
            Some(429) => Error::throttled(failure, self.retry_after),
            Some(403) if is_rate(&self.reason) => Error::throttled(failure, self.retry_after),
            Some(400) => bad_request(failure, &self.status),
            Some(401) => Error::Unauthenticated(failure),
            Some(403) => Error::PermissionDenied(failure),
            Some(404) => Error::NotFound(failure),
            Some(409) if self.status == "ABORTED" => Error::Conflict(failure),
            Some(409) => Error::AlreadyExists(failure),
            Some(412) => Error::Conflict(failure),
            Some(408 | 500..=599) | None => Error::Unavailable(failure),
            Some(_) => Error::Invalid(failure),
        }
    }
}

/// The error of a call of Google's official crate.
pub(crate) fn from_gax(what: &str, error: &google_cloud_gax::error::Error) -> Error {
    let failure = |message: String| Failure {
        what: what.to_owned(),
        message,
    };
    if error.is_authentication() {
        return credentials(
            what,
            &source_text(error),
            error.is_transient_and_before_rpc(),
        );
    }
    if error.is_binding() || error.is_serialization() || error.is_deserialization() {
        return Error::Invalid(failure(source_text(error)));
    }
    let status = error.status();
    let answer = Answer {
        // An answer that began well and was cut is no answer.
        http: error
            .http_status_code()
            .filter(|code| !(200..300).contains(code)),
        status: status.map(|s| s.code.name().to_owned()).unwrap_or_default(),
        reason: String::new(),
        message: status.map_or_else(|| source_text(error), |s| s.message.clone()),
        retry_after: status.and_then(|s| s.details.iter().find_map(retry_delay)),
    };
    answer.error(what)
}

/// The error of our own credentials.
pub(crate) fn credentials(what: &str, message: &str, transient: bool) -> Error {
    let failure = Failure {
        what: what.to_owned(),
        message: format!("our own credentials: {message}"),
    };
    if transient {
        Error::Unavailable(failure)
    } else {
        Error::Unauthenticated(failure)
    }
}

/// An error's text with those of its sources: transport errors say the reason only there.
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

// The older APIs (storage, projects) say "too fast" by 403 and this reason.
fn is_rate(reason: &str) -> bool {
    matches!(
        reason,
        "rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded"
    )
}

fn retry_delay(detail: &StatusDetails) -> Option<Duration> {
    match detail {
        StatusDetails::RetryInfo(info) => info.retry_delay?.try_into().ok(),
        _ => None,
    }
}

// As protobuf writes it in JSON: `60s`, `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests;

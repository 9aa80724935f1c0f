//! From what Google answers to [`Error`]. Pure.

use std::time::Duration;

use serde_json::Value;

use crate::details::{Details, Violation};
use crate::{Error, Failure, Refusal};

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
    /// Of the header; what the details say goes first.
    pub(crate) retry_after: Option<Duration>,
    /// `error.details`.
    pub(crate) details: Details,
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
        Self {
            http: Some(http),
            status,
            reason: text(&error["errors"][0]["reason"]),
            message,
            retry_after,
            details: Details::parse(&error["details"]),
        }
    }

    /// The error that it means.
    pub(crate) fn error(self, what: &str) -> Error {
        let failure = Failure {
            what: what.to_owned(),
            message: self.whole_message(),
        };
        let wait = self.details.retry_delay.or(self.retry_after);
        let may_be_refusal = matches!(self.http, Some(400 | 401 | 403 | 412));
        if let Some(by) = Refusal::of(&self).filter(|_| may_be_refusal) {
            return Error::Refused { failure, by };
        }
        match self.http {
            Some(429) => Error::throttled(failure, wait),
            Some(403) if is_rate(&self.reason) => Error::throttled(failure, wait),
            Some(400) => bad_request(failure, &self.status),
            Some(401) => Error::Unauthenticated(failure),
            Some(403) => Error::PermissionDenied(failure),
            Some(404) => Error::NotFound(failure),
            Some(409) if self.status == "ABORTED" => Error::Conflict(failure),
            Some(409) => Error::AlreadyExists(failure),
            Some(412) if is_about_an_etag(&self.message) => Error::Conflict(failure),
            Some(408 | 500..=599) | None => Error::Unavailable(failure),
            Some(_) => Error::Invalid(failure),
        }
    }

    /// Changes the texts that an error shows to people.
    pub(crate) fn change_texts(&mut self, change: impl Fn(String) -> String) {
        self.message = change(std::mem::take(&mut self.message));
        for violation in &mut self.details.violations {
            violation.subject = change(std::mem::take(&mut violation.subject));
            violation.description = change(std::mem::take(&mut violation.description));
        }
    }

    /// The message with what the violations say beyond it.
    fn whole_message(&self) -> String {
        let mut message = self.message.clone();
        for Violation {
            kind, description, ..
        } in &self.details.violations
        {
            // A perimeter says nothing there but the id that is in the message.
            if kind.starts_with("constraints/") && !message.contains(description.as_str()) {
                let length = message.trim_end_matches('.').len();
                message.truncate(length);
                message.push_str(": ");
                message.push_str(description);
            }
        }
        message.chars().take(MESSAGE_CHARS).collect()
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
        retry_after: None,
        details: status.map_or_else(Details::default, |s| Details::from_gax(&s.details)),
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

/// Storage says "somebody else was faster" by 412, and violated constraints as well.
fn is_about_an_etag(message: &str) -> bool {
    let message = message.to_lowercase();
    let words = ["pre-condition", "precondition", "conditionnotmet", "etag"];
    words.iter().any(|word| message.contains(word))
}

#[cfg(test)]
mod tests;

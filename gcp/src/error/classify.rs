//! From what Google answers to [`Error`]. Pure.

use super::answer::{Answer, MESSAGE_CHARS};
use super::details::Details;
use super::{Error, Failure};
use crate::Refusal;

impl Answer {
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

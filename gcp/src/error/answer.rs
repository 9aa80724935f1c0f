//! An answer of Google that is not a success. Pure.

use std::time::Duration;

use serde_json::Value;

use super::details::{Details, Violation};

/// Longer texts are truncated, because they go into conditions and logs.
pub(super) const MESSAGE_CHARS: usize = 600;

/// The parts of an error response that matter.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// HTTP status code; `None` if there was no response.
    pub(crate) http: Option<u16>,
    /// `error.status`, such as `ABORTED`; or the OAuth error, such as `invalid_grant`.
    pub(crate) status: String,
    /// `error.errors[0].reason`, such as `rateLimitExceeded`.
    pub(crate) reason: String,
    pub(crate) message: String,
    /// From the Retry-After header; the wait in `details` takes precedence.
    pub(crate) retry_after: Option<Duration>,
    /// `error.details`.
    pub(crate) details: Details,
}

impl Answer {
    /// Reads a response body: the envelope of Google's APIs, or the OAuth form of the token exchange.
    pub(crate) fn parse(http: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = &json["error"];
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let (status, mut message) = match error {
            Value::String(code) => (code.clone(), text(&json["error_description"])),
            _ => (text(&error["status"]), text(&error["message"])),
        };
        if message.is_empty() {
            message = format!("HTTP {http}");
        }
        Self {
            http: Some(http),
            status,
            reason: text(&error["errors"][0]["reason"]),
            message,
            retry_after,
            details: Details::parse(&error["details"]),
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

    /// The message, with the descriptions of violated constraints that it does not contain.
    pub(super) fn full_message(&self) -> String {
        let mut message = self.message.clone();
        for Violation {
            kind, description, ..
        } in &self.details.violations
        {
            // The description of a perimeter violation is only the id, which the message contains.
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

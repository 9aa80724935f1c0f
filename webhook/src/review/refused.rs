//! Refusals: a stable word, a status code and a message for the person who sent the request.

use namesake_core::{DecisionId, Reason, Refusal};

/// A refusal. The message is for the person who created the object: what is wrong, who sent the request, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// HTTP-like code: 400 (cannot be read), 403 (refused for good), 404 (see [`Refused::not_to_be_adopted`]), 503 (may pass by
    /// itself; controllers try again).
    pub code: u16,
    /// Why, for programs. The answered message begins with it.
    pub reason: Reason,
    /// The rule that refused, if one did.
    pub rule: Option<String>,
    /// The message: what is wrong, and what to do.
    pub message: String,
}

impl Refused {
    /// A refusal with the code that belongs to its reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            code: reason.admission_status(),
            reason,
            rule: None,
            message: message.into(),
        }
    }

    /// Refuses an adoption by a controller of Kubernetes. It takes 404 for an object that no longer exists, and goes on
    /// without it; after any other code it would stop and try again.
    pub fn not_to_be_adopted(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            code: 404,
            ..Self::new(reason, message)
        }
    }

    /// A request that cannot be read, or that the webhook did not ask for.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    /// The text for people: the word that docs/reasons.md explains, the message, and what leads to the line of the log.
    #[must_use]
    pub fn answer(&self, decision: DecisionId) -> String {
        let (reason, code) = (self.reason, self.reason.code());
        format!("{reason}: {} ({code}, decision {decision})", self.message)
    }

    /// The name that the API server has for the code, so that clients treat the refusal as usual.
    pub(super) const fn status_reason(&self) -> &'static str {
        match self.code {
            403 => "Forbidden",
            404 => "NotFound",
            503 => "ServiceUnavailable",
            _ => "BadRequest",
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            rule: refusal.rule,
            ..Self::new(refusal.reason, refusal.message)
        }
    }
}

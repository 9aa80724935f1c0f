//! Refusals of the rules.

use crate::reason::Reason;

/// Why the rules refuse a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The rule that refused, if one did.
    pub rule: Option<String>,
    /// The word for programs, metrics and docs/reasons.md.
    pub reason: Reason,
    /// Whole sentences for the requester: which rule refused whom, and what to do.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: String) -> Refusal {
        Refusal {
            rule: None,
            reason,
            message,
        }
    }

    pub(crate) fn by_rule(rule: &str, reason: Reason, message: String) -> Refusal {
        Refusal {
            rule: Some(rule.to_owned()),
            reason,
            message,
        }
    }
}

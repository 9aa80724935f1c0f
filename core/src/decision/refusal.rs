//! Refusals: why a pod gets no identity, as a sentence for the person who reads it.

use crate::reason::Reason;

/// A refusal for a person: which rule, who asked, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The rule that refused, if one did.
    pub rule: Option<String>,
    /// The word for programs, metrics and docs/reasons.md.
    pub reason: Reason,
    /// Whole sentences: which rule, who asked, what to do.
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

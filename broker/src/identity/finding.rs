//! What a step found out about one condition, and what the status says of conditions: pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use namesake_api::IdentityStatus;
use namesake_api::conditions::{self, Status};
use namesake_api::names::{BINDING_READY, GOOGLE_ACCOUNT_READY, SERVICE_ACCOUNT_READY, VERIFIED};
use namesake_core::Reason;

/// The conditions that make up `Ready`, in the order in which they become true.
pub const READY_PARTS: [&str; 4] = [
    SERVICE_ACCOUNT_READY,
    GOOGLE_ACCOUNT_READY,
    BINDING_READY,
    VERIFIED,
];

/// What a step found out about one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Type of the condition.
    pub condition: &'static str,
    /// Whether it holds.
    pub status: Status,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people, and what to do.
    pub message: String,
}

impl Finding {
    /// The condition holds.
    #[must_use]
    pub fn holds(condition: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(condition, Status::True, reason, message.into())
    }

    /// The condition does not hold.
    #[must_use]
    pub fn fails(condition: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(condition, Status::False, reason, message.into())
    }

    fn new(condition: &'static str, status: Status, reason: Reason, message: String) -> Self {
        Self {
            condition,
            status,
            reason,
            message,
        }
    }
}

/// The message of a condition: with the code of its reason at its end, unless everything is as it should be.
#[must_use]
pub fn with_code(reason: Reason, message: &str) -> String {
    let code = code_of(reason);
    if reason.is_done() || message.ends_with(&code) {
        return message.to_owned();
    }
    format!("{message}{code}")
}

/// The message of a condition without the code of its reason.
#[must_use]
pub fn without_code(condition: &Condition) -> &str {
    let message = condition.message.as_str();
    let reason = condition.reason.parse::<Reason>();
    let code = reason.map(code_of).unwrap_or_default();
    message.strip_suffix(code.as_str()).unwrap_or(message)
}

fn code_of(reason: Reason) -> String {
    format!(" ({})", reason.code())
}

/// Whether the condition holds for this generation of the spec; one of an older spec proves nothing.
#[must_use]
pub fn holds(status: &IdentityStatus, generation: Option<i64>, condition: &str) -> bool {
    conditions::holds(&status.conditions, condition, generation)
}

/// The reason that a condition has in the API server. A version of the broker that knew other reasons may have written it.
#[must_use]
pub fn known_reason(word: &str) -> Reason {
    word.parse().unwrap_or(Reason::Pending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_condition_ends_with_its_code_once_and_is_read_without_it() {
        let written = with_code(Reason::PermissionDenied, "no permission");
        assert_eq!(written, "no permission (NS2201)");
        assert_eq!(with_code(Reason::PermissionDenied, &written), written);
        assert_eq!(with_code(Reason::Created, "it exists"), "it exists");
        let mut condition: Condition = serde_json::from_value(serde_json::json!({
            "type": "Verified", "status": "False", "reason": "PermissionDenied", "message": written,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        assert_eq!(without_code(&condition), "no permission");
        condition.reason = "OfAnotherVersion".to_owned();
        assert_eq!(without_code(&condition), written);
    }
}

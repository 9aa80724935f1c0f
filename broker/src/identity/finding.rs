//! What a step found out about one condition, and what the status says of conditions: pure.

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

//! What webhook and broker say to each other: `POST /v1/identities`, its answer, and its refusal.

use std::collections::BTreeMap;

use namesake_core::Reason;
use serde::{Deserialize, Serialize};

/// Who needs an identity of which class, where. Nothing about projects, roles or accounts: the broker takes those from the rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityRequest {
    /// Namespace of the pod.
    pub namespace: String,
    /// Identity class in the rules.
    pub class: String,
    /// The proven user in canonical form; never empty, also for a class that is not per user.
    pub user: String,
    /// The user's proven groups, as far as the rules mention them.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Value of each key of the class's `per`.
    pub values: BTreeMap<String, String>,
}

/// The identity exists, and pods may name its KSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityAnswer {
    /// Name of the Identity and of its KSA.
    pub name: String,
    /// UID of the KSA.
    pub service_account_uid: String,
    /// Whether it is known to work at Google; otherwise the pod needs the scheduling gate.
    pub ready: bool,
}

/// The body of every other answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetails,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetails {
    /// HTTP status code, the same as the answer's.
    pub code: u16,
    /// Word for programs. A broker of another version may use one that its caller does not know, so it is text on the wire.
    pub reason: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl ErrorDetails {
    /// The reason, if this version knows it.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.reason.parse().ok()
    }
}

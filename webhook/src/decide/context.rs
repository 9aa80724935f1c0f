//! The rules, keys and namespace that a decision depends on, as of one moment.

use std::sync::Arc;

use namesake_core::{KeyRing, Refusal, Rules, User};

/// The rules, keys and namespace that a decision depends on, as of one moment.
#[derive(Clone, Debug)]
pub struct AdmissionContext {
    /// Rules in force.
    pub rules: Arc<Rules>,
    /// Keys of stamps and resolutions.
    pub keys: Arc<KeyRing>,
    /// Seconds since 1970.
    pub now: i64,
    /// The epoch of the namespace; empty if it is not seen as opted in.
    pub epoch: String,
    /// Whether only Namesake, and webhooks that an admin trusts, change the namespace's new pods after this webhook.
    pub decides_last: bool,
    /// Whether the requester is a service account of an opted-in namespace: such an account is never a trusted controller.
    pub is_inside: bool,
    /// The user of the managed KSA that makes the request, or why it has none; `None` if no managed KSA makes it.
    pub acts_for: Option<Result<User, Refusal>>,
}

impl AdmissionContext {
    /// The epoch in which stamps of this namespace are valid; empty for objects in no namespace.
    #[must_use]
    pub fn epoch_of(&self, namespace: &str) -> &str {
        if namespace.is_empty() {
            ""
        } else {
            &self.epoch
        }
    }
}

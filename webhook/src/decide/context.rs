//! What every decision depends on, as of one moment.

use namesake_core::{KeyRing, Refusal, Rules, User};

/// What every decision depends on, as of one moment.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionContext<'a> {
    /// Rules in force.
    pub rules: &'a Rules,
    /// Keys of stamps and resolutions.
    pub keys: &'a KeyRing,
    /// Seconds since 1970.
    pub now: i64,
    /// The epoch of the namespace; empty if it is not seen as opted in.
    pub epoch: &'a str,
    /// Whether the requester's own namespace is opted in: no carrier lives there.
    pub inside: bool,
    /// For whom the requester asks, if it is a managed KSA.
    pub acts_for: Option<&'a Result<User, Refusal>>,
}

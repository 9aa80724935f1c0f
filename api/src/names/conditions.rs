//! Types of the conditions of an Identity.

/// The KSA exists, is ours and is as derived.
pub const SERVICE_ACCOUNT_READY: &str = "ServiceAccountReady";
/// The GSA exists, is ours, and is visible at Google.
pub const GOOGLE_ACCOUNT_READY: &str = "GoogleAccountReady";
/// The binding and the grants are written.
pub const BINDING_READY: &str = "BindingReady";
/// A pod's full path to Google was verified, from the KSA's token to each grant.
pub const VERIFIED: &str = "Verified";
/// All of the above are true: pods can run.
pub const READY: &str = "Ready";
/// Only its KSA has a role on the identity's GSA. Not part of [`READY`].
pub const EXCLUSIVE: &str = "Exclusive";
/// A pod waited for this identity until it failed for a lasting reason, so new Jobs are refused with that reason.
pub const STALLED: &str = "Stalled";

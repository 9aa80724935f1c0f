//! What a plan starts from: how much of an identity exists already.

use std::collections::BTreeSet;

use namesake_gcp::Resource;

/// The KSA as it was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAccountState {
    /// It does not exist.
    Absent,
    /// It is ours, and something on it was changed.
    Drifted,
    /// It is ours and as it should be, except that it has no owner yet.
    Unowned,
    /// It is ours and as it should be.
    Right,
}

/// The GSA as far as it was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoogleAccountState {
    /// Not read yet.
    Unknown,
    /// It exists and is ours; this many consecutive reads have shown it.
    Found(u32),
    /// It shows up everywhere.
    Visible,
}

/// What is known about an identity: from the cluster, from its status, from the steps done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The KSA.
    pub service_account: ServiceAccountState,
    /// Whether the status has a KSA, whether it exists or not.
    pub account_recorded: bool,
    /// The GSA.
    pub google_account: GoogleAccountState,
    /// Whether the KSA may act as the GSA.
    pub bound: bool,
    /// Resources whose policies have the roles.
    pub granted: BTreeSet<Resource>,
    /// Consecutive proofs so far.
    pub proofs: u32,
    /// Whether it was proven to work.
    pub verified: bool,
    /// Whether that is still known: no drift check is under way, or its proof succeeded.
    pub confirmed: bool,
    /// Whether everything that is to be written is recorded.
    pub recorded: bool,
    /// Whether something is recorded that is not wanted any more.
    pub stale: bool,
    /// Whether the status has a GSA of its own, which mode direct does not need.
    pub has_google_account: bool,
    /// How far it is removed.
    pub teardown: Teardown,
}

/// How far an identity is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Teardown {
    /// Nobody acts as it.
    pub unbound: bool,
    /// Its GSA is disabled.
    pub disabled: bool,
    /// Every replica of the webhook knows, and its last pod is gone.
    pub drained: bool,
    /// The grants are revoked.
    pub revoked: bool,
    /// Its GSA is deleted.
    pub deleted: bool,
}

//! What a plan starts from: how much of an identity exists already.

use super::change::Change;

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

/// What is known about an identity: from the cluster, from its status, from the steps done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The KSA.
    pub service_account: ServiceAccountState,
    /// Whether the status has a KSA, whether it exists or not.
    pub account_recorded: bool,
    /// Whether the GSA has shown up everywhere.
    pub visible: bool,
    /// Whether the binding and all grants were written.
    pub written: bool,
    /// Whether it was verified.
    pub verified: bool,
    /// Whether a drift check is under way, which finds out these three again.
    pub checking: bool,
    /// Whether everything that is to be written is recorded.
    pub recorded: bool,
    /// Whether something is recorded that is not wanted any more.
    pub stale: bool,
    /// Whether the status has a GSA of its own, which mode direct does not need.
    pub has_google_account: bool,
    /// The steps done, each as often as it was.
    pub done: Vec<Change>,
}

impl Observed {
    /// How often a step was done.
    #[must_use]
    pub fn times(&self, change: &Change) -> u32 {
        times(&self.done, change)
    }

    /// Whether a step was done.
    #[must_use]
    pub fn has_done(&self, change: &Change) -> bool {
        self.done.contains(change)
    }
}

/// How often a step is among those done.
#[must_use]
pub fn times(done: &[Change], change: &Change) -> u32 {
    let times = done.iter().filter(|one| *one == change).count();
    u32::try_from(times).unwrap_or(u32::MAX)
}

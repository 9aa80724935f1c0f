//! What happens to a container while it runs.

use jiff::Timestamp;

/// What happened to a container.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) index: usize,
    pub(super) is_init: bool,
    pub(super) change: Change,
}

#[derive(Debug)]
pub(super) enum Change {
    Started(Timestamp),
    Ready(bool),
    Terminated { end: Termination, is_final: bool },
    BackOff { message: String },
}

/// How a container terminated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Termination {
    pub(super) code: i32,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    /// The end of its log, if it failed.
    pub(super) message: String,
}

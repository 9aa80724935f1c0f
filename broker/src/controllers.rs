//! The control loops of the leader.

pub mod garbage;
pub mod gates;
pub mod quota;
pub mod reconcile;

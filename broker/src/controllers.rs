//! The controllers that the leader runs.

pub mod context;
pub mod garbage;
pub mod gates;
pub mod quota;
pub mod reconcile;

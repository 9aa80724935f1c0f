//! What the broker reads and writes at Google, and what it may: pure decisions, except where a file says otherwise.

pub mod connect;
pub mod drift_budget;
pub mod foreign;
pub mod grants;
pub mod listing;
pub mod policies;
pub(crate) mod precheck;
pub mod principal;
pub(crate) mod refused;
pub mod roles;
pub(crate) mod verify;
pub mod written;

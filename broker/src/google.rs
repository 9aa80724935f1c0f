//! What the broker reads and writes at Google, and what it may grant.

pub mod connect;
pub mod drift_budget;
pub mod foreign_members;
pub mod grants;
pub mod list_accounts;
pub mod policies;
pub(crate) mod precheck;
pub mod principal;
pub mod recorded;
pub mod roles;
pub(crate) mod verify;

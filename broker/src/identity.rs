//! An identity as the cluster knows it: its life, its plan, its conditions and its objects. Pure, but for `status` and `store`.

pub mod conditions;
pub mod derive;
pub mod failure;
pub mod objects;
pub mod phase;
pub mod plan;
pub mod reason;
pub mod retry;
pub mod status;
pub mod store;

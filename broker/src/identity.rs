//! An identity as the cluster knows it: its life, plan, conditions and objects. Pure, except `store`.

pub mod conditions;
pub mod derive;
pub mod finding;
pub mod objects;
pub mod phase;
pub mod plan;
pub mod progress;
pub mod retry_trigger;
pub mod step_failure;
pub mod store;

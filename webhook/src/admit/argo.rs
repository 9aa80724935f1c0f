//! Objects of Argo Workflows: stamped, and refused early, when they are created; restored and signed again when they change.

mod adopt;
pub(super) mod create;
mod early;
mod fetch;
pub(super) mod pod;
mod same_name;
pub(super) mod update;

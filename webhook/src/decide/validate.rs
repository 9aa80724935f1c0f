//! The checks of the validating webhooks: the final pod, who enters or adopts a pod, who writes results of Argo steps, and edits of
//! the rules. Pure: pods and Identities are arguments.

pub mod adoption;
pub mod edit;
pub mod enter;
pub mod final_check;
pub mod guarded;
pub mod results;
pub mod rules;

//! What the validating webhooks check: the final pod, who enters a pod or feeds an Argo step, and edits of the rules.

pub mod final_check;
pub mod guard;
pub mod rules;

//! Attempts to run as somebody else: every abuse case, and random actions on all kinds.

mod argo;
mod bad_input;
mod final_check;
mod guards;
mod model;
mod pod_creation;
mod raw;
mod stamps;

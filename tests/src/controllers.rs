//! The controllers of other projects whose objects create pods: Argo Workflows and `JobSet`, real or replayed.

pub mod argo;
pub mod jobset;
mod recorded;
pub mod replayed_argo;

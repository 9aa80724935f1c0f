//! Argo Workflows as it is: its controller, executor and command line, built once from a Go module of our own, and installed
//! from its own manifests.

mod controller;
mod copy;
mod programs;

pub use controller::{ARGO_NAMESPACE, ArgoController, EXECUTOR_IMAGE, EXECUTOR_ROLE};
pub use programs::ArgoPrograms;

#[cfg(test)]
mod tests;

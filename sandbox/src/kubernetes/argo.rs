//! The real Argo Workflows: its controller, executor and command line, built once from our own Go module, and installed from
//! its own manifests.

mod controller;
mod copy;
mod programs;

pub use controller::{
    ARGO_NAMESPACE, ArgoController, CARRIER_BINDING, EXECUTOR_IMAGE, EXECUTOR_ROLE,
};
pub use programs::ArgoPrograms;

#[cfg(test)]
mod tests;

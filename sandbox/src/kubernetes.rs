//! The cluster itself: control plane and its users, a node, the network of its Services, and Argo Workflows.

pub(crate) mod account;
pub mod argo;
pub mod control_plane;
pub mod install;
pub(crate) mod kubectl;
pub mod node;
pub mod service;
pub mod users;

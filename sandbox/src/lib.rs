//! A whole cluster on loopback, for the tests and the demo: a real Kubernetes control plane, a stand-in for its node, object
//! storage and Google's side.
//!
//! # Layout
//! - [`binaries`], [`python`]: the control plane's programs, built once from a Go module of our own; Metaflow, installed once.
//! - [`clients`]: Google's clients for Python, Node.js and Go, which the tests run against the emulator.
//! - [`children`]: child processes that never outlive us; [`workdir`]: the work folder of a run; [`ports`]: free ports.
//! - [`control_plane`]: etcd, kube-apiserver, kube-controller-manager, with their users ([`users`]), keys and audit log.
//! - [`node`]: runs pods as local processes, each with a [`metadata`] server.
//! - [`google`], [`storage`]: Google's side. [`install`]: Namesake from `manifests/`, behind
//!   [`service`]s. [`sandbox`]: all of it.
//! - [`demo`]: two people, one flow. [`args`], [`run`], [`up`]: the program.

pub mod argo;
pub mod args;
pub mod binaries;
pub mod children;
pub mod clients;
pub mod control_plane;
pub mod demo;
mod go_build;
pub mod google;
pub mod install;
mod kubectl;
pub mod metadata;
pub mod node;
pub mod ports;
pub mod python;
pub mod run;
pub mod sandbox;
pub mod service;
pub mod storage;
pub mod up;
pub mod users;
pub mod workdir;

pub use control_plane::ControlPlane;
pub use google::Google;
pub use node::{Node, NodeOptions};
pub use sandbox::Sandbox;
pub use workdir::WorkFolder;

/// The issuer of the cluster's tokens, as a GKE cluster of that name has it.
pub const ISSUER: &str =
    "https://container.googleapis.com/v1/projects/acme/locations/us-central1/clusters/ml";
/// The workload pool that the cluster's project owns.
pub const WORKLOAD_POOL: &str = "acme.svc.id.goog";
/// The cluster's name as the rules write it.
pub const CLUSTER: &str = "projects/acme/locations/us-central1/clusters/ml";
/// The name of the only node.
pub const NODE: &str = "loopback";
/// The namespace in which people work.
pub const RESEARCH: &str = "research";
/// The stack that the loopback overlay installs.
pub const STACK: &str = "prod";
/// The class of the loopback overlay's rules.
pub const CLASS: &str = "research";

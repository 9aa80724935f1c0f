//! A whole cluster on loopback, for the tests and the demo: a real Kubernetes control plane, a stand-in for its node, object
//! storage and Google's side.
//!
//! # Layout
//! - [`kubernetes`]: the cluster. A real control plane (etcd, kube-apiserver, kube-controller-manager) with users, keys and audit
//!   log, a node that runs pods as local processes, the network of its Services, and Argo Workflows.
//! - [`google`]: Google's side: the emulator, object storage, a metadata server per pod.
//! - [`gateway`]: Envoy, an OpenID provider, a metadata service and a browser.
//! - [`install`]: Namesake from `manifests/`. [`sandbox`]: all of the above together.
//! - [`cli`]: the program `namesake-sandbox`, with the demo.
//! - [`programs`]: what is built or installed once, pinned: Kubernetes, Argo, Metaflow, Google's clients.
//! - [`host`]: child processes that never outlive us, free ports, the work folder of a run.

pub mod cli;
pub mod gateway;
pub mod google;
pub mod host;
pub mod kubernetes;
pub mod programs;
pub mod sandbox;

pub use google::Google;
pub use host::work_folder::WorkFolder;
pub use kubernetes::{
    control_plane::ControlPlane,
    node::{Node, NodeOptions},
};
pub use sandbox::Sandbox;

/// The issuer of the cluster's tokens, as on GKE for a cluster of that name.
pub const ISSUER: &str =
    "https://container.googleapis.com/v1/projects/acme/locations/us-central1/clusters/ml";
/// The workload pool that the cluster's project owns.
pub const WORKLOAD_POOL: &str = "acme.svc.id.goog";
/// The cluster's name, as in the rules.
pub const CLUSTER: &str = "projects/acme/locations/us-central1/clusters/ml";
/// The name of the only node.
pub const NODE: &str = "loopback";
/// The namespace in which people work.
pub const RESEARCH: &str = "research";
/// The stack that the loopback overlay installs.
pub const STACK: &str = "prod";
/// The class of the loopback overlay's rules.
pub const CLASS: &str = "research";

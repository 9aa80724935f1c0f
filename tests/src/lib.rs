//! The harness of the integration tests.
//!
//! # Layout
//! - [`cluster`]: a real control plane with our manifests applied; one is shared by all tests of a process, others are lent to
//!   one test at a time. Its clients ([`cluster::person`]) and what they are refused ([`cluster::refusal`]).
//! - [`stack`]: webhook and broker in this process, as they are in their pods; replicas in processes of their own; another
//!   webhook, called after ours. [`google`]: Google's side of a stack.
//! - [`namespace`]: an opted-in namespace of its own for each test, whose objects are printed when the test fails.
//! - [`controllers`]: Argo Workflows and JobSet, replayed by a test, or Argo itself with a node that runs its pods.
//! - [`drafts`]: objects as people and Metaflow write them. [`documents`]: the commands that the documents tell people to run.
//! - [`endpoints`]: a gateway with Envoy, an OpenID provider and a metadata service.
//! - [`eventually`]: waits for a condition, and reports the last state. [`random`]: numbers from a seed.

pub mod cluster;
pub mod controllers;
pub mod documents;
pub mod endpoints;
pub mod google;
pub mod namespace;
pub mod random;
pub mod stack;

pub use cluster::eventually;
pub use namespace::drafts;

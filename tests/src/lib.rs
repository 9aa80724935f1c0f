//! The harness of the integration tests.
//!
//! # Layout
//! - [`cluster`]: a real control plane with our manifests applied; one is shared by all tests of a process, others are lent to
//!   one test at a time each.
//! - [`stack`]: webhook and broker in this process (each a [`program`]), as they are in their pods, and Google's side; [`google`]: what a task sees there.
//! - [`namespace`]: an opted-in namespace of its own for each test, whose objects are printed when the test fails.
//! - [`person`]: who asks the API server; [`drafts`]: objects as people and Metaflow write them; [`refused`]: what they are told.
//! - [`replica`]: a broker in a process of its own; [`service`]: what several are behind. [`argo`]: Argo's controller, replayed. [`real_argo`]: Argo itself, and a node that runs its pods. [`meddler`]: another webhook, called after ours. [`dump`]: what a failing test prints.
//! - [`documents`]: the commands that the documents tell people to run; [`gcloud`]: those of Google's side.
//! - [`orphans`]: what belongs to no Identity. [`numbers`]: what is random, from a seed. [`eventually`]: waits for a condition, and reports the last state.

pub mod argo;
pub mod cluster;
pub mod documents;
pub mod drafts;
pub mod dump;
pub mod eventually;
pub mod gcloud;
pub mod google;
pub mod jobset;
pub mod manifests;
pub mod meddler;
pub mod namespace;
pub mod numbers;
pub mod orphans;
pub mod person;
pub mod program;
pub mod real_argo;
mod recorded;
pub mod refused;
pub mod replica;
pub mod runtime;
pub mod service;
pub mod stack;

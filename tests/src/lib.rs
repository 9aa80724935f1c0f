//! The harness of the integration tests.
//!
//! # Layout
//! - [`cluster`]: a real control plane with our manifests applied; one is shared by all tests of a process, another is lent to
//!   one test at a time.
//! - [`stack`]: webhook and broker in this process, as they are in their pods, and Google's side; [`google`]: what a task sees there.
//! - [`namespace`]: an opted-in namespace of its own for each test, whose objects are printed when the test fails.
//! - [`person`]: who asks the API server; [`drafts`]: objects as people and Metaflow write them; [`refused`]: what they are told.
//! - [`eventually`]: waits for a condition, and reports the last state.

pub mod cluster;
pub mod drafts;
pub mod dump;
pub mod eventually;
pub mod manifests;
pub mod person;
pub mod refused;
pub mod runtime;

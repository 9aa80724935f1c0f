//! Tests of admission from a review's bytes to its answer, without a cluster.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which end the test"
)]

mod bad_input;
mod broker;
mod cases;
mod fuzz;
mod golden;
mod http;
mod identities;
mod model;
mod parents;
mod properties;
mod recorded;
mod verification;

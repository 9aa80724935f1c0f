//! The harness of the integration tests, and the load generator of the benches.

pub mod bench;

//! The API server, and what several commands read from it.

pub(crate) mod connect;
pub(crate) mod flags;
pub(crate) mod identities;
pub(crate) mod leader;
pub(crate) mod objects;
pub(crate) mod opt_in;
pub(crate) mod rules_of_stack;
pub(crate) mod suspended_job;
pub(crate) mod versions;

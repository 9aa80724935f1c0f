//! The API server, and what several commands read from it.

pub(crate) mod connect;
pub(crate) mod flags;
pub(crate) mod identities;
pub(crate) mod rules_of_stack;

//! The API server, and what several commands read from it.

pub(crate) mod connect;
pub(crate) mod flags;

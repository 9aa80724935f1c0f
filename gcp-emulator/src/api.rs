//! Google's APIs on the wire: requests, callers, errors and which API serves which path. Nothing here knows the emulated
//! state.

pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod caller;
pub(crate) mod errors;
pub(crate) mod paths;
pub(crate) mod principal;

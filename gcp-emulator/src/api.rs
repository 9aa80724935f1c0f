//! Google's APIs on the wire: requests, callers, error responses, and which API serves which path. Independent of the
//! emulated state.

pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod caller;
pub(crate) mod errors;
pub(crate) mod paging;
pub(crate) mod paths;
pub(crate) mod principal;
pub(crate) mod query;

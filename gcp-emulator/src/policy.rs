//! Allow policies: permission checks, and the methods that read and write policies.

pub(crate) mod authorize;
mod conditions;
mod members;
pub(crate) mod methods;
pub(crate) mod modified_grants;
pub(crate) mod refusals;
pub(crate) mod target;
pub(crate) mod write;

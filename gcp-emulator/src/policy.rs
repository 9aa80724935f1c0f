//! Allow policies: who is allowed to do what, and how policies are read and written.

pub(crate) mod authorize;
mod conditions;
mod members;
pub(crate) mod methods;
pub(crate) mod refusals;
pub(crate) mod write;

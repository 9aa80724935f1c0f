//! The Identity custom resource, what webhook and broker say to each other, and every label, annotation, gate, environment
//! variable, port and default.
//!
//! Types only: nothing here talks to anything, reads a clock or decides.

mod backoff;
pub mod broker_api;
pub mod conditions;
mod crd;
mod identity;
mod mark;
pub mod names;
mod phase;

pub use backoff::WatchBackoff;
pub use crd::crd_yaml;
pub use identity::{
    BindBy, Grant, Identity, IdentitySpec, IdentityStatus, Mode, WrittenBinding, WrittenGrant,
};
pub use mark::{MARK_BYTES, Mark, MarkError};
pub use phase::Phase;

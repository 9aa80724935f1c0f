//! The Identity custom resource, the wire format between webhook and broker, and the names of all labels, annotations, objects,
//! environment variables and ports.
//!
//! Types and constants only: nothing here does I/O, reads a clock or decides.

mod backoff;
pub mod broker_api;
pub mod conditions;
mod crd;
mod identity;
mod mark;
pub mod names;
mod phase;
mod replica;
mod unproven;
mod verification;

pub use backoff::WatchBackoff;
pub use crd::crd_yaml;
pub use identity::{
    BindBy, Grant, Identity, IdentitySpec, IdentityStatus, Mode, WrittenBinding, WrittenGrant,
};
pub use mark::{MARK_BYTES, Mark, MarkError};
pub use phase::Phase;
pub use replica::ReplicaStatus;
pub use unproven::{UnprovenParent, UnprovenReport};
pub use verification::{MAX_SIGNED_TEXTS, SignedText, Validity};

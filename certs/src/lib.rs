//! Certificates: a certificate authority in one Secret that replicas share, a leaf per replica, and the caBundle.
//!
//! The first replica to start creates the authority's Secret; the others read it. `tls.crt` may hold several
//! certificates: the first one signs with `tls.key`, all of them are trusted, so that an authority can be replaced
//! while leaves of the old one are still in use. Leaves are kept in memory only. Nothing here logs or prints a key.

mod authority;
mod bundle;
mod configurations;
mod error;
mod keeper;
mod leaf;
mod resolver;
mod schedule;
mod secrets;
mod stamp_keys;

pub use authority::Authority;
pub use bundle::client_roots;
pub use configurations::apply_ca_bundle;
pub use error::Error;
pub use keeper::{Expiry, Keeper};
pub use leaf::Leaf;
pub use resolver::{Resolver, server_config, server_config_with_client_auth};
pub use stamp_keys::{StampKeys, ensure_stamp_keys};

//! What the broker reads and writes in its cluster.

pub mod cluster_id;
pub mod ensure;
pub mod events;
pub mod identity_status;
pub mod leader;
pub mod namespaces;
pub mod requests;

//! What must hold at Google before the broker writes a grant there.

pub(crate) mod buckets;
pub(crate) mod permissions;
pub(crate) mod refused_creations;
mod ttl_set;

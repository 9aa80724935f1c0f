//! What must hold at Google before anything is written there.

pub(crate) mod buckets;
pub(crate) mod rights;
mod ttl_set;

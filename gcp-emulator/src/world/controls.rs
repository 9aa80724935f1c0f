//! What a test controls, and what it can look at afterwards: clocks, randomness, settings, planned faults, quotas and the
//! log of requests.

pub(crate) mod clock;
pub(crate) mod faults;
pub(crate) mod glob;
pub(crate) mod quotas;
pub(crate) mod random;
pub(crate) mod refusals;
pub(crate) mod request_log;
pub(crate) mod settings;

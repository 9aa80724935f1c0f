//! What tests control and observe: clocks, randomness, settings, planned faults, quotas and the request log.

pub(crate) mod clock;
pub(crate) mod faults;
pub(crate) mod glob;
pub(crate) mod permission_checks;
pub(crate) mod quotas;
pub(crate) mod random;
pub(crate) mod refusals;
pub(crate) mod request_log;
pub(crate) mod settings;

//! How requests reach Google: our credentials, plain HTTP, retries and rates.

pub(crate) mod credentials;
pub(crate) mod http;
pub(crate) mod names;
pub(crate) mod rates;
pub(crate) mod retry;

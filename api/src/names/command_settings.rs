//! Environment variables of the commands `namesake-broker clean` and `kubectl namesake check`, each of which is also a flag.

/// Stack whose identities `namesake-broker clean` removes.
pub const ENV_CLEAN_STACK: &str = "NAMESAKE_CLEAN_STACK";
/// Namespaces that `namesake-broker clean` cleans, separated by commas.
pub const ENV_CLEAN_IN: &str = "NAMESAKE_CLEAN_IN";
/// Whether `namesake-broker clean` only reports what it would do.
pub const ENV_CLEAN_DRY_RUN: &str = "NAMESAKE_CLEAN_DRY_RUN";
/// Output format of `namesake-broker clean`: `text` or `json`.
pub const ENV_CLEAN_OUTPUT: &str = "NAMESAKE_CLEAN_OUTPUT";
/// Requesters whose rights `kubectl namesake check` treats as intended, separated by commas.
pub const ENV_CHECK_TRUST: &str = "NAMESAKE_CHECK_TRUST";

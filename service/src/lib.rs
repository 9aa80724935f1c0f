//! What webhook and broker have in common as programs: flags, log, signals, and reading the rules.

mod args;
mod duration;
mod rules;
mod start;

pub use args::{LogFormat, ServerArgs};
pub use duration::parse_duration;
pub use rules::{RulesFiles, parse_rules, rules_files};
pub use start::{bind, connect_to_cluster, install_crypto_provider, shutdown_on_signal, start_log};

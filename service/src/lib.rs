//! What webhook, broker and gateway have in common as programs: flags, log, signals, metrics, the rules in force, and what watches
//! keep in memory.

mod args;
mod by_name;
mod duration;
mod follow;
mod label_selector;
mod managed;
mod metrics;
mod published;
mod replica_status;
mod rules;
mod rules_in_force;
mod rules_watch;
mod single_flight;
mod start;

pub use args::{CertificateArgs, LogFormat, ServerArgs};
pub use by_name::{ByName, NamespaceAndName};
pub use duration::parse_duration;
pub use follow::{WatchEvent, follow};
pub use label_selector::may_match;
pub use managed::{managed_config_map, managed_labels};
pub use metrics::{Labels, METRICS_CONTENT_TYPE, MetricInfo, MetricsRegistry, Scope, gauge_value};
pub use published::{LastWrite, PublishedAnnotation, StatusConfigMap};
pub use replica_status::PublishedStatus;
pub use rules::{RulesFiles, RulesRejection, parse_and_test_rules, parse_rules, rules_files};
pub use rules_in_force::{RulesEffect, RulesInForce};
pub use rules_watch::watch_rules;
pub use single_flight::SingleFlight;
pub use start::{
    FIRST_REQUEST_TIMEOUT, bind, connect_to_cluster, install_crypto_provider, serve_metrics,
    shutdown_on_signal, start_log,
};

//! Metrics, with units in their names and only labels of few values.

use std::fmt::Write as _;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Names and values of labels.
pub type Labels<const N: usize, V = &'static str> = [(&'static str, V); N];

type WebhookSeconds = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// Declares the metrics that are registered under the names of their fields.
macro_rules! metrics {
    ($($name:ident: $type:ty = $help:literal;)+) => {
        /// Every metric of this process.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            /// Time from a whole request to its answer.
            pub decision_seconds: WebhookSeconds,
            $(#[doc = $help] pub $name: $type,)+
        }

        impl Default for Metrics {
            fn default() -> Self {
                let mut registry = Registry::with_prefix("namesake_webhook");
                let decision_seconds: WebhookSeconds = Family::new_with_constructor(|| {
                    Histogram::new(exponential_buckets(10e-6, 4.0, 11))
                });
                registry.register_with_unit(
                    "decision",
                    "Time from a whole request to its answer",
                    Unit::Seconds,
                    decision_seconds.clone(),
                );
                $(
                    let $name = <$type>::default();
                    registry.register(stringify!($name), $help, $name.clone());
                )+
                Self { registry, decision_seconds, $($name,)+ }
            }
        }
    };
}

metrics! {
    decisions: Family<Labels<4>, Counter> = "Admission decisions";
    overloaded: Counter = "Requests turned away because too many were in progress";
    malformed: Counter = "Request bodies that were not an AdmissionReview";
    broker_calls: Family<Labels<1>, Counter> = "Calls to the broker";
    parent_fetches: Counter = "Objects read from the API server because they were not in memory";
    identities: Gauge = "Identities in memory";
    parents: Gauge = "Parents in memory";
    watch_failures: Family<Labels<1>, Counter> = "Failures of watches, each followed by a restart";
    namespaces: Family<Labels<1>, Gauge> = "Opted-in namespaces by mode";
    unknown_modes: Counter = "Mode labels with an unknown value, which counts as enforce";
    shadow: Family<Labels<3>, Counter> = "What would have been decided in namespaces in shadow mode";
    parents_without_stamp: Family<Labels<2, String>, Gauge> = "Parents whose pods would get no identity, because they have no valid stamp";
    stamps: Family<Labels<1, String>, Gauge> = "Valid stamps, by the key that signed them";
    rules: Family<Labels<1, String>, Gauge> = "Revision of the rules in force";
    rules_invalid: Gauge = "1 while the current rules are not valid and older ones are in force";
    guard_faults: Gauge = "Policies, bindings and webhooks of Namesake that are missing or weaker than shipped";
}

impl Metrics {
    /// Sets the revision of the rules in force.
    pub fn set_revision(&self, revision: &str) {
        self.rules.clear();
        let labels = [("revision", revision.to_owned())];
        self.rules.get_or_create(&labels).set(1);
    }

    /// Counts a failure of a watch.
    pub fn count_watch_failure(&self, watch: &'static str) {
        let failures = self.watch_failures.get_or_create(&[("watch", watch)]);
        failures.inc();
    }

    /// All metrics in the text format of OpenMetrics.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# the metrics could not be written");
        }
        text
    }
}

/// A count as the value of a gauge.
pub(crate) fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_a_prefix_their_units_and_one_revision() {
        let metrics = Metrics::default();
        metrics.set_revision("aaa");
        metrics.set_revision("bbb");
        let labels = [("webhook", "mutate")];
        metrics.decision_seconds.get_or_create(&labels).observe(0.1);
        let text = metrics.text();
        assert!(text.contains("namesake_webhook_rules{revision=\"bbb\"} 1"));
        assert!(!text.contains("aaa"));
        assert!(text.contains("namesake_webhook_decision_seconds_bucket"));
        assert!(text.contains("namesake_webhook_overloaded_total 0"));
    }
}

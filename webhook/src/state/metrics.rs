//! Metrics, with units in their names and only labels of few values.

use namesake_certs::Expiry;
use namesake_service::{Labels, declare_metrics};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

type WebhookSeconds = Family<Labels<1>, Histogram, fn() -> Histogram>;

fn webhook_seconds() -> WebhookSeconds {
    Family::new_with_constructor(|| Histogram::new(exponential_buckets(10e-6, 4.0, 11)))
}

declare_metrics! {
    /// Every metric of this process.
    #[derive(Debug)]
    pub struct Metrics of "namesake_webhook" {
        Replica decisions: Family<Labels<4>, Counter> = Family::default(), "Admission decisions", ["webhook", "kind", "outcome", "reason"];
        Replica decision_seconds: WebhookSeconds = webhook_seconds(), "Time from a whole request to its answer", ["webhook"];
        Replica overloaded: Counter = Counter::default(), "Requests turned away because too many were in progress", [];
        Replica malformed: Counter = Counter::default(), "Request bodies that were not an AdmissionReview", [];
        Replica broker_calls: Family<Labels<1>, Counter> = Family::default(), "Calls to the broker, which creates the identities of new users", ["result"];
        Replica identity_fetches: Counter = Counter::default(), "Identities read from the API server because not all were in memory yet", [];
        Replica parent_fetches: Counter = Counter::default(), "Objects read from the API server because they were not in memory", [];
        Replica cached_identities: Gauge = Gauge::default(), "Identities in memory", [];
        Replica cached_parents: Gauge = Gauge::default(), "Parents of pods in memory", [];
        Replica watch_failures: Family<Labels<1>, Counter> = Family::default(), "Failures of watches, each followed by a restart", ["watch"];
        Replica namespaces: Family<Labels<1>, Gauge> = Family::default(), "Opted-in namespaces by mode", ["mode"];
        Replica unknown_modes: Counter = Counter::default(), "Mode labels with an unknown value, which counts as enforce", [];
        Replica shadow: Family<Labels<3>, Counter> = Family::default(), "What would have been decided in namespaces in shadow mode", ["kind", "outcome", "reason"];
        Replica parents_without_stamp: Family<Labels<2, String>, Gauge> = Family::default(), "Parents whose pods would get no identity, because they have no valid stamp", ["parent_namespace", "kind"];
        Replica stamps: Family<Labels<1, String>, Gauge> = Family::default(), "Valid stamps, by the key that signed them", ["key"];
        Replica rules_info: Family<Labels<1, String>, Gauge> = Family::default(), "Revision of the rules in force", ["revision"];
        Replica rules_invalid: Gauge = Gauge::default(), "1 while the current rules are not valid and older ones are in force", [];
        Replica guard_faults: Gauge = Gauge::default(), "Policies, bindings and webhooks of Namesake that are missing or weaker than shipped", [];
        Replica certificate_expiry_timestamp_seconds: Family<Labels<1>, Gauge> = Family::default(), "When the certificate of the server and that of its authority expire", ["certificate"];
    }
}

impl Metrics {
    /// Sets the revision of the rules in force.
    pub fn set_revision(&self, revision: &str) {
        self.rules_info.clear();
        let labels = [("revision", revision.to_owned())];
        self.rules_info.get_or_create(&labels).set(1);
    }

    /// Sets when the certificates expire.
    pub fn set_expiry(&self, expiry: Expiry) {
        for (certificate, time) in expiry.by_name() {
            let gauge = &self.certificate_expiry_timestamp_seconds;
            let labels = [("certificate", certificate)];
            gauge.get_or_create(&labels).set(time.as_second());
        }
    }

    /// Counts a failure of a watch.
    pub fn count_watch_failure(&self, watch: &'static str) {
        let failures = self.watch_failures.get_or_create(&[("watch", watch)]);
        failures.inc();
    }

    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        self.registry.text(false)
    }
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
        assert!(text.contains("namesake_webhook_rules_info{revision=\"bbb\"} 1"));
        assert!(!text.contains("aaa"));
        assert!(text.contains("namesake_webhook_decision_seconds_bucket"));
        assert!(text.contains("namesake_webhook_overloaded_total 0"));
        assert!(text.contains("namesake_webhook_build_info{version=\""));
    }
}

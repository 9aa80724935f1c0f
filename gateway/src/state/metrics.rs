//! Metrics, with units in their names and only labels of few values.

use std::time::Duration;

use namesake_core::{EndpointMode, Reason};
use namesake_service::{Labels, RulesEffect, declare_metrics, gauge_value};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is allowed.
    Allowed,
    /// It is refused.
    Refused(Reason),
    /// It is allowed only because of shadow mode.
    WouldBeRefused(Reason),
}

declare_metrics! {
    /// Every metric of this process.
    #[derive(Debug)]
    pub struct Metrics of "namesake_gateway" {
        Replica requests: Family<Labels<3>, Counter> = Family::default(), "Requests that Envoy asked about", ["decision", "reason", "mode"];
        Replica decision_seconds: Histogram = Histogram::new(exponential_buckets(10e-6, 4.0, 10)), "Time from a whole request to the answer to Envoy", [];
        Replica owner_lookups: Family<Labels<1>, Counter> = Family::default(), "Runs whose owner the metadata service was asked for, by result", ["result"];
        Replica watch_failures: Family<Labels<1>, Counter> = Family::default(), "Failures of watches, each followed by a restart", ["watch"];
        Replica cached_identities: Gauge = Gauge::default(), "Identities in memory", [];
        Replica rules_info: Family<Labels<1, String>, Gauge> = Family::default(), "Revision of the rules in force", ["revision"];
        Replica rules_invalid: Gauge = Gauge::default(), "1 while the current rules are not valid and older ones are in force", [];
    }
}

impl Metrics {
    /// Counts a decision.
    pub fn count_request(&self, outcome: Outcome, mode: EndpointMode, took: Duration) {
        let (decision, reason) = match outcome {
            Outcome::Allowed => ("allowed", ""),
            Outcome::Refused(reason) => ("refused", reason.as_str()),
            Outcome::WouldBeRefused(reason) => ("would_be_refused", reason.as_str()),
        };
        let mode = match mode {
            EndpointMode::Enforce => "enforce",
            EndpointMode::Shadow => "shadow",
        };
        let labels = [("decision", decision), ("reason", reason), ("mode", mode)];
        self.requests.get_or_create(&labels).inc();
        self.decision_seconds.observe(took.as_secs_f64());
    }

    /// Counts a run whose owner the metadata service was asked for: `found`, `unknown` or `failed`.
    pub fn count_owner_lookup(&self, result: &'static str) {
        let lookups = self.owner_lookups.get_or_create(&[("result", result)]);
        lookups.inc();
    }

    /// Counts a failure of a watch.
    pub fn count_watch_failure(&self, watch: &'static str) {
        let failures = self.watch_failures.get_or_create(&[("watch", watch)]);
        failures.inc();
    }

    /// Sets the number of Identities.
    pub fn set_identities(&self, count: usize) {
        self.cached_identities.set(gauge_value(count));
    }

    /// Sets which rules are in force.
    pub fn set_rules(&self, effect: &RulesEffect) {
        let revision = match effect {
            RulesEffect::Ignored => return,
            RulesEffect::InForce { revision, .. } => Some(revision),
            RulesEffect::Invalid { in_force, .. } => in_force.as_ref(),
        };
        let is_invalid = matches!(effect, RulesEffect::Invalid { .. });
        self.rules_invalid.set(is_invalid.into());
        if let Some(revision) = revision.cloned() {
            self.rules_info.clear();
            let labels = [("revision", revision)];
            self.rules_info.get_or_create(&labels).set(1);
        }
    }

    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        self.registry.text(false)
    }
}

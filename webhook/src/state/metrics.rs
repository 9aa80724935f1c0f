//! Metrics, with units in their names and only labels of few values.

use std::fmt::Write as _;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Labels of a decision.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DecisionLabels {
    /// `mutate`, `validate` or `validate-rules`.
    pub webhook: &'static str,
    /// Kind of the object, as the table of kinds has it, or `other`.
    pub kind: &'static str,
    /// What was decided, such as `identity` or `refused`.
    pub outcome: &'static str,
    /// Why it was refused; empty when it was not.
    pub reason: &'static str,
}

/// Labels of what is timed.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WebhookLabels {
    /// `mutate`, `validate` or `validate-rules`.
    pub webhook: &'static str,
}

/// Labels of a call to the broker.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct BrokerLabels {
    /// `ok`, `refused` or `later`.
    pub result: &'static str,
}

/// Labels of a watch.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WatchLabels {
    /// What is watched.
    pub watch: &'static str,
}

/// Labels of what a mode counts.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ModeLabels {
    /// `enforce` or `shadow`.
    pub mode: &'static str,
}

/// Labels of what would have been decided in shadow mode.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ShadowLabels {
    /// Kind of the object, as the table of kinds has it.
    pub kind: &'static str,
    /// What would have been decided.
    pub outcome: &'static str,
    /// Why it would have been refused; empty when not.
    pub reason: &'static str,
}

/// Labels of parents without a proven person.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct UnprovenLabels {
    /// Their namespace, which is opted in.
    pub namespace: String,
    /// Their kind, as the table of kinds has it.
    pub kind: &'static str,
}

/// Labels of stamps that count.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct KeyLabels {
    /// Id of a key that we have.
    pub key: String,
}

/// Labels of the rules in force.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RulesLabels {
    /// Revision: 12 hex digits.
    pub revision: String,
}

type WebhookSeconds = Family<WebhookLabels, Histogram, fn() -> Histogram>;

/// Every metric of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Decisions made.
    pub decisions: Family<DecisionLabels, Counter>,
    /// Time from the whole request to its answer.
    pub decision_seconds: WebhookSeconds,
    /// Requests turned away because too many were under way.
    pub overloaded: Counter,
    /// Bodies that were no review.
    pub malformed: Counter,
    /// Calls to the broker.
    pub broker_calls: Family<BrokerLabels, Counter>,
    /// Parents that had to be fetched because the watch was behind.
    pub parent_fetches: Counter,
    /// Identities in memory.
    pub identities: Gauge,
    /// Parents in memory.
    pub parents: Gauge,
    /// Failures of watches.
    pub watch_failures: Family<WatchLabels, Counter>,
    /// Opted-in namespaces.
    pub namespaces: Family<ModeLabels, Gauge>,
    /// Labels that name no mode, each time one is seen.
    pub unknown_modes: Counter,
    /// What would have been decided in shadow mode.
    pub shadow: Family<ShadowLabels, Counter>,
    /// Parents without a stamp that counts.
    pub unproven: Family<UnprovenLabels, Gauge>,
    /// Stamps that count, by the key that signed them.
    pub stamps: Family<KeyLabels, Gauge>,
    /// Rules in force.
    pub rules: Family<RulesLabels, Gauge>,
    /// 1 while the rules as written are broken.
    pub rules_invalid: Gauge,
    /// Parts of the installation that are missing or weaker than shipped.
    pub guard_faults: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds: WebhookSeconds =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(10e-6, 4.0, 11)));
        let mut metrics = Self {
            registry: Registry::with_prefix("namesake_webhook"),
            decisions: Family::default(),
            decision_seconds: seconds,
            overloaded: Counter::default(),
            malformed: Counter::default(),
            broker_calls: Family::default(),
            parent_fetches: Counter::default(),
            identities: Gauge::default(),
            parents: Gauge::default(),
            watch_failures: Family::default(),
            namespaces: Family::default(),
            unknown_modes: Counter::default(),
            shadow: Family::default(),
            unproven: Family::default(),
            stamps: Family::default(),
            rules: Family::default(),
            rules_invalid: Gauge::default(),
            guard_faults: Gauge::default(),
        };
        metrics.register();
        metrics.register_modes();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("decisions", "Admission decisions", self.decisions.clone());
        r.register_with_unit(
            "decision",
            "Time from a whole request to its answer",
            Unit::Seconds,
            self.decision_seconds.clone(),
        );
        r.register(
            "overloaded",
            "Requests turned away because too many were under way",
            self.overloaded.clone(),
        );
        r.register(
            "malformed",
            "Request bodies that were no AdmissionReview",
            self.malformed.clone(),
        );
        r.register(
            "broker_calls",
            "Calls to the broker",
            self.broker_calls.clone(),
        );
        r.register(
            "parent_fetches",
            "Parents fetched because the watch was behind",
            self.parent_fetches.clone(),
        );
        r.register(
            "identities",
            "Identities in memory",
            self.identities.clone(),
        );
        r.register("parents", "Parents (Jobs) in memory", self.parents.clone());
        r.register(
            "watch_failures",
            "Failures of watches, each followed by a new start",
            self.watch_failures.clone(),
        );
        r.register(
            "rules",
            "Revision of the rules in force",
            self.rules.clone(),
        );
        r.register(
            "guard_faults",
            "Policies, bindings and webhooks of ours that are missing or weaker than shipped",
            self.guard_faults.clone(),
        );
        r.register(
            "rules_invalid",
            "1 while the rules as written are broken and older ones are in force",
            self.rules_invalid.clone(),
        );
    }

    fn register_modes(&mut self) {
        let r = &mut self.registry;
        r.register(
            "namespaces",
            "Opted-in namespaces by mode",
            self.namespaces.clone(),
        );
        r.register(
            "unknown_modes",
            "Mode labels that name no mode and count as enforce",
            self.unknown_modes.clone(),
        );
        r.register(
            "shadow",
            "What would have been decided in namespaces in shadow mode",
            self.shadow.clone(),
        );
        r.register(
            "parents_without_stamp",
            "Parents whose pods would run as nobody, because no stamp of theirs counts",
            self.unproven.clone(),
        );
        r.register(
            "stamps",
            "Stamps that count, by the key that signed them",
            self.stamps.clone(),
        );
    }

    /// The revision of the rules in force is this one, and no other.
    pub fn set_revision(&self, revision: &str) {
        self.rules.clear();
        let labels = RulesLabels {
            revision: revision.to_owned(),
        };
        self.rules.get_or_create(&labels).set(1);
    }

    /// All of it in the text format of OpenMetrics.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# the metrics could not be written");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_our_prefix_and_their_units_and_one_revision() {
        let metrics = Metrics::default();
        metrics.set_revision("aaa");
        metrics.set_revision("bbb");
        let labels = WebhookLabels { webhook: "mutate" };
        metrics.decision_seconds.get_or_create(&labels).observe(0.1);
        let text = metrics.text();
        assert!(text.contains("namesake_webhook_rules{revision=\"bbb\"} 1"));
        assert!(!text.contains("aaa"));
        assert!(text.contains("namesake_webhook_decision_seconds_bucket"));
        assert!(text.contains("namesake_webhook_overloaded_total 0"));
    }
}

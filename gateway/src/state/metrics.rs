//! Metrics, with units in their names and only labels of few values.

use std::fmt::Write as _;
use std::time::Duration;

use namesake_core::{EndpointMode, Reason};
use namesake_service::RulesEffect;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    decision: &'static str,
    reason: &'static str,
    mode: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LookupLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WatchLabels {
    watch: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RulesLabels {
    revision: String,
}

/// Every metric of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Histogram,
    owner_lookups: Family<LookupLabels, Counter>,
    watch_failures: Family<WatchLabels, Counter>,
    identities: Gauge,
    rules: Family<RulesLabels, Gauge>,
    rules_invalid: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("namesake_gateway");
        let metrics = Self {
            requests: Family::default(),
            seconds: Histogram::new(exponential_buckets(10e-6, 4.0, 10)),
            owner_lookups: Family::default(),
            watch_failures: Family::default(),
            identities: Gauge::default(),
            rules: Family::default(),
            rules_invalid: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "requests",
            "Requests that Envoy asked about",
            metrics.requests.clone(),
        );
        let help = "Time from a whole request to the answer to Envoy";
        registry.register_with_unit("decision", help, Unit::Seconds, metrics.seconds.clone());
        let help = "Runs whose owner the metadata service was asked for, by result";
        registry.register("owner_lookups", help, metrics.owner_lookups.clone());
        let help = "Failures of watches, each followed by a restart";
        registry.register("watch_failures", help, metrics.watch_failures.clone());
        registry.register(
            "identities",
            "Identities in memory",
            metrics.identities.clone(),
        );
        registry.register(
            "rules",
            "Revision of the rules in force",
            metrics.rules.clone(),
        );
        let help = "1 while the current rules are not valid and older ones are in force";
        registry.register("rules_invalid", help, metrics.rules_invalid.clone());
        Self {
            registry,
            ..metrics
        }
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
        let labels = RequestLabels {
            decision,
            reason,
            mode,
        };
        self.requests.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts a run whose owner the metadata service was asked for: `found`, `unknown` or `failed`.
    pub fn count_owner_lookup(&self, result: &'static str) {
        self.owner_lookups
            .get_or_create(&LookupLabels { result })
            .inc();
    }

    /// Counts a failure of a watch.
    pub fn count_watch_failure(&self, watch: &'static str) {
        self.watch_failures
            .get_or_create(&WatchLabels { watch })
            .inc();
    }

    /// Sets the number of Identities.
    pub fn set_identities(&self, count: usize) {
        self.identities
            .set(i64::try_from(count).unwrap_or(i64::MAX));
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
            self.rules.clear();
            self.rules.get_or_create(&RulesLabels { revision }).set(1);
        }
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

//! The metrics of the broker.

mod gauge_guard;
mod quotas;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use namesake_api::Phase;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use crate::cluster::cluster_id::ClusterId;
use crate::cluster::leader::Fence;
use crate::controllers::quota::report::QuotaLine;
use crate::identity::store::Identities;
use crate::server::rules::CurrentRules;

pub(crate) use gauge_guard::GaugeGuard;

/// Upper bounds of the gate's histogram, in seconds: IAM takes 2 to 7 minutes to distribute a change.
const GATE_SECONDS: [f64; 11] = [
    1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 240.0, 420.0, 900.0, 1800.0,
];

/// Names and values of labels.
type Labels<const N: usize> = [(&'static str, String); N];

/// All metrics, and the registry that prints them.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels<1>, Counter>,
    rate_limited: Counter,
    steps: Family<Labels<2>, Counter>,
    identities: Family<Labels<2>, Gauge>,
    gate_seconds: Histogram,
    gates_waiting: Gauge,
    rules_rejected: Counter,
    rules_invalid: Gauge,
    other_cluster: Gauge,
    same_brokers: Gauge,
    leading: Gauge,
    proofs_running: Gauge,
    proofs_waiting: Gauge,
    phases: Family<Labels<1>, Gauge>,
    leftovers: Gauge,
    garbage: Family<Labels<1>, Gauge>,
    quotas: quotas::QuotaMetrics,
    sources: Sources,
}

/// What gauges follow, once it is known.
#[derive(Default)]
struct Sources {
    identities: ArcSwapOption<(Identities, Arc<CurrentRules>)>,
    fence: ArcSwapOption<Fence>,
    cluster: ArcSwapOption<(Arc<ClusterId>, Arc<CurrentRules>)>,
}

/// Registers a metric and returns it.
fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// Registers a metric with its default value and returns it.
fn new<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    register(registry, name, help, M::default())
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("namesake_broker");
        let r = &mut registry;
        Self {
            requests: new(r, "requests", "Answers of POST /v1/identities by status"),
            rate_limited: new(
                r,
                "rate_limited",
                "Requests refused because the user created too many identities",
            ),
            steps: new(r, "google_steps", "Steps at Google by outcome"),
            identities: new(r, "identities", "Identities by condition and status"),
            gate_seconds: register(
                r,
                "gate_wait_seconds",
                "How long pods waited at their gate",
                Histogram::new(GATE_SECONDS),
            ),
            gates_waiting: new(r, "gates_waiting", "Pods that wait at their gate now"),
            rules_rejected: new(r, "rules_rejected", "Edits of the rules that were rejected"),
            rules_invalid: new(
                r,
                "rules_invalid",
                "1 while the rules as edited are not the rules in force",
            ),
            other_cluster: new(
                r,
                "other_cluster",
                "1 while the rules name another cluster than the one that issues tokens here, so that nothing is done at Google",
            ),
            same_brokers: new(
                r,
                "same_brokers",
                "Installations in other clusters of the workload pool whose broker may be this one to Google",
            ),
            leading: new(
                r,
                "leading",
                "1 while this replica holds the Lease and may write to Google",
            ),
            proofs_running: new(r, "proofs_running", "Proofs of identities that run now"),
            proofs_waiting: new(
                r,
                "proofs_waiting",
                "Proofs of identities that wait for one of those to end",
            ),
            phases: new(r, "identities_in_phase", "Identities by phase"),
            leftovers: new(
                r,
                "offboarded_workloads",
                "Pods and scheduled objects that offboarded users still have",
            ),
            garbage: new(
                r,
                "garbage",
                "Objects that have our mark and belong to no Identity, by kind",
            ),
            quotas: quotas::QuotaMetrics::new(r),
            sources: Sources::default(),
            registry,
        }
    }
}

impl Metrics {
    /// The metrics in OpenMetrics format. Gauges that follow something else are updated first.
    #[must_use]
    pub fn encode(&self) -> String {
        self.update_cluster();
        self.update_identities();
        self.quotas.update_rates();
        self.update_leading();
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// A request was answered.
    pub fn request_answered(&self, code: u16) {
        self.requests
            .get_or_create(&[("code", code.to_string())])
            .inc();
    }

    /// A request was refused because its user created too many identities.
    pub fn request_rate_limited(&self) {
        self.rate_limited.inc();
    }

    /// A step ended; `outcome` is `ok` or the reason of the failure.
    pub fn step_ended(&self, step: &'static str, outcome: &'static str) {
        let labels = [("step", step.to_owned()), ("outcome", outcome.to_owned())];
        self.steps.get_or_create(&labels).inc();
    }

    /// Counts those Identities of this store that are of the rules' stack from now on.
    pub fn watch_identities(&self, store: Identities, rules: Arc<CurrentRules>) {
        let source = Arc::new((store, rules));
        self.sources.identities.store(Some(source));
    }

    /// Compares the cluster with the one of the rules from now on.
    pub fn watch_cluster(&self, cluster: Arc<ClusterId>, rules: Arc<CurrentRules>) {
        self.sources.cluster.store(Some(Arc::new((cluster, rules))));
    }

    /// Shows whether this replica leads from now on.
    pub fn watch_fence(&self, fence: Arc<Fence>) {
        self.sources.fence.store(Some(fence));
    }

    /// Shows the rates of this client from now on.
    pub fn watch_google(&self, google: namesake_gcp::Gcp) {
        self.quotas.watch(google);
    }

    /// Shows these counts of quotas.
    pub fn set_quotas(&self, lines: &[QuotaLine]) {
        self.quotas.set(lines);
    }

    /// A proof waits for a permit until this is dropped.
    pub(crate) fn proof_waits(&self) -> GaugeGuard {
        GaugeGuard::new(&self.proofs_waiting)
    }

    /// A proof runs until this is dropped.
    pub(crate) fn proof_runs(&self) -> GaugeGuard {
        GaugeGuard::new(&self.proofs_running)
    }

    /// So many objects of this kind have our mark and belong to no Identity.
    pub fn set_garbage(&self, kind: &'static str, count: usize) {
        let gauge = self.garbage.get_or_create(&[("kind", kind.to_owned())]);
        gauge.set(narrow(count));
    }

    /// So many other installations may have the same broker, to Google.
    pub fn set_same_brokers(&self, count: usize) {
        self.same_brokers.set(narrow(count));
    }

    /// A gate was opened after so many seconds.
    pub fn gate_opened(&self, seconds: f64) {
        self.gate_seconds.observe(seconds);
    }

    /// So many more (or fewer) pods wait at their gate.
    pub fn add_waiting(&self, pods: i64) {
        self.gates_waiting.inc_by(pods);
    }

    /// The rules were edited.
    pub fn rules_edited(&self, accepted: bool) {
        self.rules_invalid.set(i64::from(!accepted));
        if !accepted {
            self.rules_rejected.inc();
        }
    }

    fn update_cluster(&self) {
        let differs = self.sources.cluster.load().as_ref().is_some_and(|known| {
            let (cluster, rules) = &**known;
            let rules = rules.current();
            rules.is_some_and(|rules| cluster.differs_from(rules.cluster()))
        });
        self.other_cluster.set(i64::from(differs));
    }

    /// Reads the fence, which closes by itself.
    fn update_leading(&self) {
        let is_open = self
            .sources
            .fence
            .load()
            .as_ref()
            .is_some_and(|f| f.is_open());
        self.leading.set(i64::from(is_open));
    }

    fn update_identities(&self) {
        let source = self.sources.identities.load_full();
        let Some((store, rules)) = source.as_deref() else {
            return;
        };
        let rules = rules.current();
        let is_ours = |stack: &str| rules.as_ref().is_none_or(|rules| rules.stack() == stack);
        self.identities.clear();
        self.phases.clear();
        let mut leftovers = 0;
        store.for_each_summary(|identity| {
            if !is_ours(identity.stack()) {
                return;
            }
            let phase = identity.phase();
            let labels = [("phase", phase.as_str().to_owned())];
            self.phases.get_or_create(&labels).inc();
            if phase == Phase::Offboarding {
                leftovers += identity.leftovers();
            }
            for condition in identity.conditions() {
                let (type_, status) = (&condition.condition, &condition.status);
                let labels = [
                    ("condition", type_.to_string()),
                    ("status", status.to_string()),
                ];
                self.identities.get_or_create(&labels).inc();
            }
        });
        self.leftovers.set(narrow(leftovers));
    }
}

/// A count as the value of a gauge.
fn narrow(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_replica_leads_while_its_fence_is_open() {
        let (metrics, fence) = (Metrics::default(), Arc::<Fence>::default());
        let leading = || {
            metrics.update_leading();
            metrics.leading.get()
        };
        assert_eq!(leading(), 0);
        metrics.watch_fence(Arc::clone(&fence));
        assert_eq!(leading(), 0);
        fence.open_until(Instant::now() + Duration::from_secs(60));
        assert_eq!(leading(), 1);
        fence.close();
        assert_eq!(leading(), 0);
    }
}

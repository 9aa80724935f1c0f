//! What the broker counts.

mod leads;
mod lives;
mod quotas;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::cluster::cluster_id::Place;
use crate::cluster::leader::Fence;
use crate::identity::store::Identities;
use crate::server::rules::CurrentRules;

pub(crate) use leads::Counted;

/// Upper bounds of the gate's histogram, in seconds: IAM takes 2 to 7 minutes to believe a change.
const GATE_SECONDS: [f64; 11] = [
    1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 240.0, 420.0, 900.0, 1800.0,
];

/// One call to Google and how it went.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    step: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Held {
    condition: String,
    status: String,
}

/// All of them, and the registry that prints them.
pub struct Metrics {
    registry: Registry,
    requests: Family<Code, Counter>,
    limited: Counter,
    steps: Family<Call, Counter>,
    identities: Family<Held, Gauge>,
    gate_seconds: Histogram,
    gates_waiting: Gauge,
    rules_rejected: Counter,
    rules_broken: Gauge,
    leads: leads::Leads,
    lives: lives::Lives,
    quotas: quotas::Quotas,
    other_cluster: Gauge,
    store: ArcSwapOption<Identities>,
    place: ArcSwapOption<(Arc<Place>, Arc<CurrentRules>)>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("namesake_broker");
        let metrics = Self {
            requests: Family::default(),
            limited: Counter::default(),
            steps: Family::default(),
            identities: Family::default(),
            gate_seconds: Histogram::new(GATE_SECONDS),
            gates_waiting: Gauge::default(),
            rules_rejected: Counter::default(),
            rules_broken: Gauge::default(),
            leads: leads::Leads::default(),
            lives: lives::Lives::default(),
            quotas: quotas::Quotas::default(),
            other_cluster: Gauge::default(),
            store: ArcSwapOption::empty(),
            place: ArcSwapOption::empty(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register(
            "requests",
            "Answers of POST /v1/identities by HTTP status",
            m.requests.clone(),
        );
        registry.register(
            "rate_limited",
            "Requests refused because the user made too many identities",
            m.limited.clone(),
        );
        registry.register(
            "google_steps",
            "Steps done at Google by outcome",
            m.steps.clone(),
        );
        registry.register(
            "identities",
            "Identities by condition and status",
            m.identities.clone(),
        );
        registry.register(
            "gate_wait_seconds",
            "How long pods waited at their gate",
            m.gate_seconds.clone(),
        );
        registry.register(
            "gates_waiting",
            "Pods that wait at their gate now",
            m.gates_waiting.clone(),
        );
        m.register_rules(&mut registry);
        m.leads.register(&mut registry);
        m.lives.register(&mut registry);
        m.quotas.register(&mut registry);
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    fn register_rules(&self, registry: &mut Registry) {
        registry.register(
            "rules_rejected",
            "Edits of the rules that were not accepted",
            self.rules_rejected.clone(),
        );
        registry.register(
            "rules_broken",
            "1 while the rules as edited are not the rules in force",
            self.rules_broken.clone(),
        );
        registry.register(
            "other_cluster",
            "1 while the rules name another cluster than the one that issues tokens here, and nothing is done at Google",
            self.other_cluster.clone(),
        );
    }

    /// The text that a scraper reads.
    #[must_use]
    pub fn encode(&self) -> String {
        self.count();
        self.quotas.look();
        self.leads.look();
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// One answered request.
    pub fn answered(&self, code: u16) {
        self.requests.get_or_create(&Code { code }).inc();
    }

    /// One request refused for its user's rate.
    pub fn rate_limited(&self) {
        self.limited.inc();
    }

    /// One step at Google; `outcome` is `ok` or the reason of the failure.
    pub fn step(&self, step: &'static str, outcome: &'static str) {
        self.steps.get_or_create(&Call { step, outcome }).inc();
    }

    /// How many Identities there are, as far as the watch has shown.
    #[must_use]
    pub fn known_identities(&self) -> usize {
        self.store.load().as_ref().map_or(0, |store| store.len())
    }

    /// Counts the Identities in this store whenever somebody reads the metrics.
    pub fn watch_identities(&self, store: Identities) {
        self.store.store(Some(Arc::new(store)));
    }

    /// Shows whether the rules in force are those of this cluster whenever somebody reads the metrics.
    pub fn watch_place(&self, place: Arc<Place>, rules: Arc<CurrentRules>) {
        self.place.store(Some(Arc::new((place, rules))));
    }

    /// Shows what was counted.
    pub fn quota(&self, lines: &[crate::controllers::quota::Line]) {
        self.quotas.counted(lines);
    }

    /// Shows whether this replica leads whenever somebody reads the metrics.
    pub fn watch_fence(&self, fence: Arc<Fence>) {
        self.leads.watch(fence);
    }

    /// A proof waits for its turn until this is dropped.
    pub(crate) fn proof_waits(&self) -> Counted {
        self.leads.waits()
    }

    /// A proof runs until this is dropped.
    pub(crate) fn proof_runs(&self) -> Counted {
        self.leads.runs()
    }

    /// Shows how this client's rates stand whenever somebody reads the metrics.
    pub fn watch_google(&self, google: namesake_gcp::Gcp) {
        self.quotas.watch(google);
    }

    fn count(&self) {
        let other = self.place.load().as_ref().is_some_and(|known| {
            let rules = known.1.current();
            rules.is_some_and(|rules| known.0.is_not(rules.cluster()))
        });
        self.other_cluster.set(i64::from(other));
        let Some(store) = self.store.load_full() else {
            return;
        };
        self.identities.clear();
        let mut count = self.lives.count();
        store.glance(|identity| {
            count.one(identity);
            for held in identity.conditions() {
                let labels = Held {
                    condition: held.condition.to_string(),
                    status: held.status.to_string(),
                };
                self.identities.get_or_create(&labels).inc();
            }
        });
        count.done();
    }

    /// So much of this kind carries our mark and belongs to no Identity.
    pub fn garbage(&self, kind: &'static str, count: usize) {
        self.lives.garbage(kind, count);
    }

    /// One gate came off after so many seconds.
    pub fn released(&self, seconds: f64) {
        self.gate_seconds.observe(seconds);
    }

    /// Pods that wait: `by` more (or fewer) of them.
    pub fn waiting(&self, by: i64) {
        self.gates_waiting.inc_by(by);
    }

    /// The rules as edited are (not) accepted.
    pub fn rules(&self, accepted: bool) {
        self.rules_broken.set(i64::from(!accepted));
        if !accepted {
            self.rules_rejected.inc();
        }
    }
}

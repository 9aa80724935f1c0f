//! The metrics of the broker. Gauges of what exists once for all replicas are served by the leader only.

mod declared;
mod gauge_guard;
mod quotas;
#[cfg(test)]
mod tests;
mod waiting;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use namesake_api::Phase;
use namesake_certs::Expiry;
use namesake_gcp::{Gcp, Observation};
use namesake_service::{MetricInfo, gauge_value};

use crate::cluster::cluster_id::ClusterId;
use crate::cluster::leader::Fence;
use crate::controllers::quota::report::QuotaLine;
use crate::identity::store::Identities;
use crate::server::rules::CurrentRules;

use declared::Declared;
pub(crate) use gauge_guard::GaugeGuard;
use waiting::Waiting;
pub(crate) use waiting::WaitingGuard;

/// All metrics, and what they follow.
#[derive(Default)]
pub struct Metrics {
    declared: Declared,
    waiting: Waiting,
    google: ArcSwapOption<Gcp>,
    sources: Sources,
}

/// What gauges follow, once it is known.
#[derive(Default)]
struct Sources {
    identities: ArcSwapOption<(Identities, Arc<CurrentRules>)>,
    fence: ArcSwapOption<Fence>,
    cluster: ArcSwapOption<(Arc<ClusterId>, Arc<CurrentRules>)>,
}

impl Metrics {
    /// The metrics in Prometheus' text format. Gauges that follow something else are updated first.
    #[must_use]
    pub fn encode(&self) -> String {
        let leads = self.leads();
        self.declared.leading.set(i64::from(leads));
        self.update_revision();
        if leads {
            self.update_cluster();
            self.update_identities();
            self.waiting.update(&self.declared);
            self.update_rates();
        }
        self.declared.text(leads)
    }

    /// What each metric is.
    #[must_use]
    pub fn infos(&self) -> &[MetricInfo] {
        self.declared.infos()
    }

    /// Forgets what this replica counted when it last led: others have led since.
    pub(crate) fn begin_leading(&self) {
        self.declared.garbage.clear();
        self.declared.same_brokers.set(0);
        self.declared.set_quotas(&[], Timestamp::UNIX_EPOCH);
    }

    /// A request was answered.
    pub fn request_answered(&self, code: u16) {
        self.declared
            .requests
            .get_or_create(&[("code", code.to_string())])
            .inc();
    }

    /// A request was refused because its user created too many identities.
    pub fn request_rate_limited(&self) {
        self.declared.rate_limited.inc();
    }

    /// A step ended; `outcome` is `ok` or the reason of the failure.
    pub fn step_ended(&self, step: &'static str, outcome: &'static str) {
        let labels = [("step", step.to_owned()), ("outcome", outcome.to_owned())];
        self.declared.google_steps.get_or_create(&labels).inc();
    }

    /// Google answered a request, or did not in time.
    pub fn google_answered(&self, request: Observation) {
        let labels = [
            ("rate", request.rate.as_str()),
            ("outcome", request.outcome),
        ];
        let seconds = self.declared.google_request_seconds.get_or_create(&labels);
        seconds.observe(request.took.as_secs_f64());
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
    pub fn watch_google(&self, google: Gcp) {
        self.google.store(Some(Arc::new(google)));
    }

    /// Shows these counts of quotas, which were made now.
    pub fn set_quotas(&self, lines: &[QuotaLine], now: Timestamp) {
        self.declared.set_quotas(lines, now);
    }

    /// Shows when the certificates expire.
    pub fn set_expiry(&self, expiry: Expiry) {
        for (certificate, time) in expiry.by_name() {
            let labels = [("certificate", certificate.to_owned())];
            let gauge = self
                .declared
                .certificate_expiry_timestamp_seconds
                .get_or_create(&labels);
            gauge.set(time.as_second());
        }
    }

    /// A verification waits for a permit until this is dropped.
    pub(crate) fn verification_waits(&self) -> GaugeGuard {
        GaugeGuard::new(&self.declared.verifications_waiting)
    }

    /// A verification runs until this is dropped.
    pub(crate) fn verification_runs(&self) -> GaugeGuard {
        GaugeGuard::new(&self.declared.verifications_running)
    }

    /// A pod that was created then waits at its gate until this is dropped.
    pub(crate) fn pod_waits(&self, created: Option<Timestamp>) -> WaitingGuard {
        self.waiting.begin(created)
    }

    /// So many objects of this kind have our mark and belong to no Identity.
    pub fn set_garbage(&self, kind: &'static str, count: usize) {
        let gauge = self
            .declared
            .garbage
            .get_or_create(&[("kind", kind.to_owned())]);
        gauge.set(gauge_value(count));
    }

    /// So many other installations may have the same broker, to Google.
    pub fn set_same_brokers(&self, count: usize) {
        self.declared.same_brokers.set(gauge_value(count));
    }

    /// A gate was opened after so many seconds.
    pub fn gate_opened(&self, seconds: f64) {
        self.declared.gate_wait_seconds.observe(seconds);
    }

    /// An identity works for the first time, so many seconds after its creation.
    pub fn identity_provisioned(&self, seconds: f64) {
        self.declared.identity_provisioning_seconds.observe(seconds);
    }

    /// The rules were edited.
    pub fn rules_edited(&self, accepted: bool) {
        self.declared.rules_invalid.set(i64::from(!accepted));
        if !accepted {
            self.declared.rules_rejected.inc();
        }
    }

    fn update_revision(&self) {
        self.declared.rules_info.clear();
        let source = self.sources.identities.load();
        let rules = source.as_ref().and_then(|source| source.1.current());
        if let Some(rules) = rules {
            let labels = [("revision", rules.revision().to_owned())];
            self.declared.rules_info.get_or_create(&labels).set(1);
        }
    }

    fn update_cluster(&self) {
        let differs = self.sources.cluster.load().as_ref().is_some_and(|known| {
            let (cluster, rules) = &**known;
            let rules = rules.current();
            rules.is_some_and(|rules| cluster.differs_from(rules.cluster()))
        });
        self.declared.other_cluster.set(i64::from(differs));
    }

    /// Reads the fence, which closes by itself.
    fn leads(&self) -> bool {
        let fence = self.sources.fence.load();
        fence.as_ref().is_some_and(|fence| fence.is_open())
    }

    fn update_rates(&self) {
        if let Some(google) = self.google.load_full() {
            self.declared.set_rates(&google.rate_statuses());
        }
    }

    fn update_identities(&self) {
        let source = self.sources.identities.load_full();
        let Some((store, rules)) = source.as_deref() else {
            return;
        };
        let rules = rules.current();
        let is_ours = |stack: &str| rules.as_ref().is_none_or(|rules| rules.stack() == stack);
        self.declared.identity_conditions.clear();
        self.declared.identities.clear();
        let mut leftovers = 0;
        store.for_each_summary(|identity| {
            if !is_ours(identity.stack()) {
                return;
            }
            let phase = identity.phase();
            let labels = [("phase", phase.as_str().to_owned())];
            self.declared.identities.get_or_create(&labels).inc();
            if phase == Phase::Offboarding {
                leftovers += identity.leftovers();
            }
            for condition in identity.conditions() {
                let (type_, status) = (&condition.condition, &condition.status);
                let labels = [
                    ("condition", type_.to_string()),
                    ("status", status.to_string()),
                ];
                self.declared
                    .identity_conditions
                    .get_or_create(&labels)
                    .inc();
            }
        });
        self.declared
            .offboarded_workloads
            .set(gauge_value(leftovers));
    }
}

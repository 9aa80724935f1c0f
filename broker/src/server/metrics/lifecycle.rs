//! Phases of identities, what offboarded users still have, and garbage, as metrics.

use namesake_api::Phase;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::new;
use crate::identity::store::IdentitySummary;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// Identities by phase, and what belongs to none.
pub(super) struct LifecycleMetrics {
    phases: Family<PhaseLabels, Gauge>,
    leftovers: Gauge,
    garbage: Family<KindLabels, Gauge>,
}

impl LifecycleMetrics {
    pub(super) fn new(r: &mut Registry) -> Self {
        Self {
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
        }
    }

    /// Counts all Identities again.
    pub(super) fn start_count(&self) -> LifecycleCount<'_> {
        self.phases.clear();
        LifecycleCount {
            metrics: self,
            leftovers: 0,
        }
    }

    pub(super) fn set_garbage(&self, kind: &'static str, count: usize) {
        let gauge = self.garbage.get_or_create(&KindLabels { kind });
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// A count that is under way.
pub(super) struct LifecycleCount<'a> {
    metrics: &'a LifecycleMetrics,
    leftovers: usize,
}

impl LifecycleCount<'_> {
    pub(super) fn add(&mut self, identity: &IdentitySummary<'_>) {
        let phase = identity.phase();
        let labels = PhaseLabels {
            phase: phase.as_str(),
        };
        self.metrics.phases.get_or_create(&labels).inc();
        if phase == Phase::Offboarding {
            self.leftovers += identity.leftovers();
        }
    }

    pub(super) fn finish(self) {
        let leftovers = i64::try_from(self.leftovers).unwrap_or(i64::MAX);
        self.metrics.leftovers.set(leftovers);
    }
}

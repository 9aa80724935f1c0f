//! Where identities are in their lives, as metrics, and what is left of none.

use namesake_api::Phase;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::identity::store::Glance;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InPhase {
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// Identities by phase, and what belongs to none.
#[derive(Default)]
pub(super) struct Lives {
    phases: Family<InPhase, Gauge>,
    left: Gauge,
    garbage: Family<Kind, Gauge>,
}

impl Lives {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "identities_in_phase",
            "Identities by where they are in their lives",
            self.phases.clone(),
        );
        registry.register(
            "left_by_leavers",
            "Pods and scheduled objects that users who have left still have",
            self.left.clone(),
        );
        registry.register(
            "garbage",
            "What carries our mark and belongs to no Identity, by kind",
            self.garbage.clone(),
        );
    }

    /// Counts anew.
    pub(super) fn count(&self) -> Count<'_> {
        self.phases.clear();
        Count {
            lives: self,
            left: 0,
        }
    }

    pub(super) fn garbage(&self, kind: &'static str, count: usize) {
        let gauge = self.garbage.get_or_create(&Kind { kind });
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// A count under way.
pub(super) struct Count<'a> {
    lives: &'a Lives,
    left: usize,
}

impl Count<'_> {
    pub(super) fn one(&mut self, identity: &Glance<'_>) {
        let phase = identity.phase();
        let labels = InPhase {
            phase: phase.as_str(),
        };
        self.lives.phases.get_or_create(&labels).inc();
        if phase == Phase::Offboarding {
            self.left += identity.left();
        }
    }

    pub(super) fn done(self) {
        let left = i64::try_from(self.left).unwrap_or(i64::MAX);
        self.lives.left.set(left);
    }
}

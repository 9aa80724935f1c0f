//! Whether this replica leads, and the proofs that it runs, as metrics.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::cluster::leader::Fence;

/// One more of something, until this is dropped.
pub(crate) struct Counted(Gauge);

impl Counted {
    fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What a leader does.
#[derive(Default)]
pub(super) struct Leads {
    leading: Gauge,
    running: Gauge,
    waiting: Gauge,
    fence: ArcSwapOption<Fence>,
}

impl Leads {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "leading",
            "1 while this replica holds the Lease and may write to Google",
            self.leading.clone(),
        );
        registry.register(
            "proofs_running",
            "Proofs that identities work which run now",
            self.running.clone(),
        );
        registry.register(
            "proofs_waiting",
            "Proofs that wait for one of those to end",
            self.waiting.clone(),
        );
    }

    pub(super) fn watch(&self, fence: Arc<Fence>) {
        self.fence.store(Some(fence));
    }

    /// Looks at the fence, which shuts by itself.
    pub(super) fn look(&self) {
        let open = self.fence.load().as_ref().is_some_and(|f| f.is_open());
        self.leading.set(i64::from(open));
    }

    pub(super) fn waits(&self) -> Counted {
        Counted::of(&self.waiting)
    }

    pub(super) fn runs(&self) -> Counted {
        Counted::of(&self.running)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn it_leads_for_as_long_as_its_fence_is_open() {
        let (leads, fence) = (Leads::default(), Arc::<Fence>::default());
        let said = || {
            leads.look();
            leads.leading.get()
        };
        assert_eq!(said(), 0);
        leads.watch(Arc::clone(&fence));
        assert_eq!(said(), 0);
        fence.open_until(Instant::now() + Duration::from_secs(60));
        assert_eq!(said(), 1);
        fence.shut();
        assert_eq!(said(), 0);
    }
}

//! Whether this replica leads, and the proofs that it runs, as metrics.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::new;
use crate::cluster::leader::Fence;

/// What a leader does.
pub(super) struct LeaderMetrics {
    leading: Gauge,
    pub(super) proofs_running: Gauge,
    pub(super) proofs_waiting: Gauge,
    fence: ArcSwapOption<Fence>,
}

impl LeaderMetrics {
    pub(super) fn new(r: &mut Registry) -> Self {
        Self {
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
            fence: ArcSwapOption::empty(),
        }
    }

    pub(super) fn watch(&self, fence: Arc<Fence>) {
        self.fence.store(Some(fence));
    }

    /// Reads the fence, which closes by itself.
    pub(super) fn update(&self) {
        let is_open = self.fence.load().as_ref().is_some_and(|f| f.is_open());
        self.leading.set(i64::from(is_open));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_replica_leads_while_its_fence_is_open() {
        let leader = LeaderMetrics::new(&mut Registry::default());
        let fence = Arc::<Fence>::default();
        let leading = || {
            leader.update();
            leader.leading.get()
        };
        assert_eq!(leading(), 0);
        leader.watch(Arc::clone(&fence));
        assert_eq!(leading(), 0);
        fence.open_until(Instant::now() + Duration::from_secs(60));
        assert_eq!(leading(), 1);
        fence.close();
        assert_eq!(leading(), 0);
    }
}

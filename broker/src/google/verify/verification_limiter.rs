//! Limits how many verifications run at the same time: each holds a token of its identity, and makes a dozen calls to Google
//! within a second.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::server::metrics::{GaugeGuard, Metrics};

/// Permits for verifications, first come, first served.
pub(crate) struct VerificationLimiter {
    permits: Semaphore,
    metrics: Arc<Metrics>,
}

impl VerificationLimiter {
    /// At most so many verifications at the same time.
    pub(crate) fn new(at_once: u16, metrics: Arc<Metrics>) -> Self {
        let permits = Semaphore::new(usize::from(at_once.max(1)));
        Self { permits, metrics }
    }

    /// Waits for a permit. The verification may run until that is dropped.
    pub(crate) async fn acquire(&self) -> (Option<SemaphorePermit<'_>>, GaugeGuard) {
        let waiting = self.metrics.verification_waits();
        // The semaphore is never closed.
        let permit = self.permits.acquire().await.ok();
        drop(waiting);
        (permit, self.metrics.verification_runs())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn shown(metrics: &Metrics) -> (bool, bool) {
        let text = metrics.encode();
        let has = |line: &str| text.lines().any(|l| l == line);
        (
            has("namesake_broker_verifications_running 2"),
            has("namesake_broker_verifications_waiting 1"),
        )
    }

    #[tokio::test]
    async fn verifications_are_limited_and_run_in_the_order_in_which_they_came() {
        let metrics = Arc::<Metrics>::default();
        let verifications = VerificationLimiter::new(2, Arc::clone(&metrics));
        let (first, second) = (verifications.acquire().await, verifications.acquire().await);
        let mut third = Box::pin(verifications.acquire());
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(shown(&metrics), (true, true));
        drop(first);
        // The third waited first.
        assert!(verifications.acquire().now_or_never().is_none());
        let third = third.await;
        assert_eq!(shown(&metrics), (true, false));
        drop((second, third));
        assert!(
            metrics
                .encode()
                .contains("namesake_broker_verifications_running 0")
        );
    }
}

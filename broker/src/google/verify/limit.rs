//! How many proofs run at once: each holds a token of its identity, and costs Google a dozen calls within a second.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::server::metrics::{Counted, Metrics};

/// Turns for proofs, first come, first served.
pub(crate) struct Proofs {
    turns: Semaphore,
    metrics: Arc<Metrics>,
}

/// A turn: it ends when this is dropped.
pub(crate) struct Turn<'a> {
    _permit: Option<SemaphorePermit<'a>>,
    _running: Counted,
}

impl Proofs {
    /// At most so many at once.
    pub(crate) fn new(at_once: u16, metrics: Arc<Metrics>) -> Self {
        let turns = Semaphore::new(usize::from(at_once.max(1)));
        Self { turns, metrics }
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        let waiting = self.metrics.proof_waits();
        // It is never closed.
        let permit = self.turns.acquire().await.ok();
        drop(waiting);
        Turn {
            _permit: permit,
            _running: self.metrics.proof_runs(),
        }
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
            has("namesake_broker_proofs_running 2"),
            has("namesake_broker_proofs_waiting 1"),
        )
    }

    #[tokio::test]
    async fn no_more_proofs_run_than_agreed_and_whoever_waits_is_next() {
        let metrics = Arc::<Metrics>::default();
        let proofs = Proofs::new(2, Arc::clone(&metrics));
        let (first, second) = (proofs.turn().await, proofs.turn().await);
        let mut third = Box::pin(proofs.turn());
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(shown(&metrics), (true, true));
        drop(first);
        // It waited first: whoever comes now is after it.
        assert!(proofs.turn().now_or_never().is_none());
        let third = third.await;
        assert_eq!(shown(&metrics), (true, false));
        drop((second, third));
        assert!(
            metrics
                .encode()
                .contains("namesake_broker_proofs_running 0")
        );
    }
}

//! Single flight: those who need the same answer at the same time share one call.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;

type SharedCall<V, E> = Shared<BoxFuture<'static, Option<Result<V, E>>>>;

/// Calls in progress, and for a short while their results: until a watch shows what a call created, and so that a service that
/// fails is not called again by every request of a burst.
#[derive(Debug)]
pub struct SingleFlight<K, V, E> {
    calls: Arc<Mutex<HashMap<K, SharedCall<V, E>>>>,
    keep: Duration,
    keep_failure: Duration,
}

impl<K, V, E> SingleFlight<K, V, E>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// Keeps results for `keep`, failures for `keep_failure`.
    #[must_use]
    pub fn new(keep: Duration, keep_failure: Duration) -> Self {
        Self {
            calls: Arc::default(),
            keep,
            keep_failure,
        }
    }

    /// Joins the call under this key, or starts it. The call continues when its first caller gives up, because others
    /// may have joined. `None` only if the call panicked.
    pub async fn join<F>(&self, key: K, call: impl FnOnce() -> F) -> Option<Result<V, E>>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        let shared = {
            let mut calls = self.calls.lock();
            match calls.get(&key) {
                Some(shared) => shared.clone(),
                None => {
                    let shared = self.start(key.clone(), call());
                    calls.insert(key, shared.clone());
                    shared
                }
            }
        };
        shared.await
    }

    fn start<F>(&self, key: K, call: F) -> SharedCall<V, E>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        let (sender, receiver) = futures::channel::oneshot::channel();
        let (keep, keep_failure) = (self.keep, self.keep_failure);
        let forget = Forget(self.calls.clone(), key);
        tokio::spawn(async move {
            // Moved in, so that a call that panics is forgotten too.
            let forget = forget;
            let result = call.await;
            let keep = if result.is_ok() { keep } else { keep_failure };
            // A result that is not kept must be gone before anybody can act on it.
            let forget = (!keep.is_zero()).then_some(forget);
            let _ = sender.send(result);
            if forget.is_some() {
                tokio::time::sleep(keep).await;
            }
        });
        receiver.map(Result::ok).boxed().shared()
    }
}

struct Forget<K: Eq + Hash, L>(Arc<Mutex<HashMap<K, L>>>, K);

impl<K: Eq + Hash, L> Drop for Forget<K, L> {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn concurrent_callers_share_one_call_and_its_result() {
        let single = SingleFlight::<_, usize, usize>::new(Duration::from_secs(60), Duration::ZERO);
        let calls = Arc::new(AtomicUsize::new(0));
        let ask = || {
            let calls = calls.clone();
            single.join("alice", move || async move {
                tokio::task::yield_now().await;
                Ok(calls.fetch_add(1, Ordering::SeqCst))
            })
        };
        let all = futures::future::join_all((0..50).map(|_| ask())).await;
        assert!(all.iter().all(|r| *r == Some(Ok(0))));
        let other = single.join("bob", || async { Ok(7) }).await;
        assert_eq!((other, calls.load(Ordering::SeqCst)), (Some(Ok(7)), 1));
    }

    #[tokio::test]
    async fn a_result_that_is_not_kept_is_never_given_to_a_later_caller() {
        let single = SingleFlight::<_, usize, usize>::new(Duration::ZERO, Duration::ZERO);
        for call in 0..100 {
            let result = single.join("alice", || async move { Ok(call) }).await;
            assert_eq!(result, Some(Ok(call)));
        }
    }

    #[tokio::test]
    async fn a_failure_is_soon_tried_again_and_a_panic_is_forgotten() {
        let single = SingleFlight::<_, usize, &str>::new(Duration::from_secs(60), Duration::ZERO);
        let first = single.join(1, || async { Err("away") }).await;
        assert_eq!(first, Some(Err("away")));
        let again = || single.join(1, || async { Ok(2) });
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while again().await != Some(Ok(2)) {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::task::yield_now().await;
        }
        let panicked = single.join(2, || async { std::panic::resume_unwind(Box::new("x")) });
        assert_eq!(panicked.await, None);
    }
}

//! Limits how fast the leader writes to the API server: a few writes at the same time with a pause after each, and one at a time
//! while a request to the broker's API waits. The leader's work can wait; admission, which the same API server does, cannot: a
//! thousand new users at once must not slow down everybody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kube::Client;
use kube::client::Body;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Concurrent writes. With answers after 20 ms and a pause as long after each, that is 50 a second.
const CONCURRENT_WRITES: usize = 2;
/// Longest pause: an API server that answers late may have been unavailable, not busy.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How many writes run at the same time.
#[derive(Debug)]
pub struct WriteLimiter {
    writes: Semaphore,
    /// One permit, needed as well while an API call waits.
    one_at_a_time: Semaphore,
    waiting_calls: AtomicUsize,
}

impl Default for WriteLimiter {
    fn default() -> Self {
        Self::new(CONCURRENT_WRITES)
    }
}

/// A call of the API waits for its answer, until this is dropped.
#[derive(Debug)]
pub struct ApiCallGuard<'a>(&'a WriteLimiter);

impl Drop for ApiCallGuard<'_> {
    fn drop(&mut self) {
        self.0.waiting_calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WriteLimiter {
    fn new(concurrent_writes: usize) -> Self {
        Self {
            writes: Semaphore::new(concurrent_writes),
            one_at_a_time: Semaphore::new(1),
            waiting_calls: AtomicUsize::new(0),
        }
    }

    /// Slows down the leader's writes until the guard is dropped.
    #[must_use]
    pub fn yield_to_api(&self) -> ApiCallGuard<'_> {
        self.waiting_calls.fetch_add(1, Ordering::Relaxed);
        ApiCallGuard(self)
    }

    // The semaphores are never closed.
    async fn acquire(&self) -> [Option<SemaphorePermit<'_>>; 2] {
        let alone = if self.waiting_calls.load(Ordering::Relaxed) > 0 {
            self.one_at_a_time.acquire().await.ok()
        } else {
            None
        };
        [alone, self.writes.acquire().await.ok()]
    }
}

/// The same client, whose writes pass this limiter. Reads are not limited.
#[must_use]
pub fn limited(client: Client, limiter: Arc<WriteLimiter>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (limiter, client) = (Arc::clone(&limiter), client.clone());
        async move {
            if *request.method() == http::Method::GET {
                return client.send(request).await;
            }
            let _permits = limiter.acquire().await;
            let started = Instant::now();
            let answer = client.send(request).await;
            tokio::time::sleep(pause(started.elapsed())).await;
            answer
        }
    });
    Client::new(service, namespace)
}

/// Pause after a write that took so long: an API server that answers slowly is busy. Hundreds of reconciles continue at the same
/// time when a policy that they share is written.
fn pause(took: Duration) -> Duration {
    took.min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::PostParams;

    use super::*;

    const CONFIG_MAP: &[u8] = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"}}"#;

    fn config_map() -> http::Response<Body> {
        http::Response::new(Body::from(CONFIG_MAP.to_vec()))
    }

    /// The most writes that run at the same time, of six; a read passes meanwhile.
    async fn most_at_once(limiter: &Arc<WriteLimiter>) -> usize {
        let (running, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let go = Arc::new(Semaphore::new(0));
        let (now, peak, gate) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&go));
        let server = tower::service_fn(move |request: http::Request<Body>| {
            let (now, peak, gate) = (Arc::clone(&now), Arc::clone(&peak), Arc::clone(&gate));
            async move {
                if request.method() != http::Method::GET {
                    peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    gate.acquire().await.unwrap().forget();
                    now.fetch_sub(1, Ordering::SeqCst);
                }
                Ok::<_, kube::Error>(config_map())
            }
        });
        let client = limited(Client::new(server, "n"), Arc::clone(limiter));
        let maps: Api<ConfigMap> = Api::default_namespaced(client);
        let (map, params) = (ConfigMap::default(), PostParams::default());
        let writes = futures::future::join_all((0..6).map(|_| maps.create(&params, &map)));
        let reads = async {
            while running.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            maps.get("m").await.unwrap();
            go.add_permits(6);
        };
        let (written, ()) = tokio::join!(writes, reads);
        assert!(written.iter().all(Result::is_ok));
        most.load(Ordering::SeqCst)
    }

    /// How long two writes take one after the other, when each is answered after `delay`.
    async fn two_writes(delay: Duration) -> Duration {
        let server = tower::service_fn(move |_: http::Request<Body>| async move {
            tokio::time::sleep(delay).await;
            Ok::<_, kube::Error>(config_map())
        });
        let client = limited(Client::new(server, "n"), Arc::new(WriteLimiter::new(1)));
        let maps: Api<ConfigMap> = Api::default_namespaced(client);
        let (map, params, started) = (ConfigMap::default(), PostParams::default(), Instant::now());
        let write = || maps.create(&params, &map);
        let (one, other) = tokio::join!(write(), write());
        assert!(one.is_ok() && other.is_ok());
        started.elapsed()
    }

    #[tokio::test]
    async fn the_pause_after_a_write_is_at_least_as_long_as_the_write_and_bounded() {
        // Only a lower bound: how much longer it takes depends on the machine.
        let took = two_writes(Duration::from_millis(20)).await;
        assert!(took >= Duration::from_millis(80), "{took:?}");
        assert_eq!(pause(Duration::from_secs(5)), LONGEST_PAUSE);
    }

    #[tokio::test]
    async fn writes_are_limited_and_run_one_at_a_time_while_an_api_call_waits() {
        let limiter = Arc::new(WriteLimiter::new(2));
        assert_eq!(most_at_once(&limiter).await, 2);
        let (one, another) = (limiter.yield_to_api(), limiter.yield_to_api());
        assert_eq!(most_at_once(&limiter).await, 1);
        drop(one);
        assert_eq!(most_at_once(&limiter).await, 1);
        drop(another);
        assert_eq!(most_at_once(&limiter).await, 2);
    }
}

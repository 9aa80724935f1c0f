//! The leader's writes come a few at a time, with a rest after each, and one by one while somebody waits for an answer of the
//! API. What the leader has to do can wait; the admission of pods, which the API server does beside it, cannot: a thousand
//! newcomers at once must not slow down everybody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kube::Client;
use kube::client::Body;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Writes on their way at the same time. With answers within 20 ms, and as long a rest after each, that is 50 a second.
const AT_ONCE: usize = 2;
/// No rest is longer than this: an API server that answers late may have been away, not busy.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// How many writes go at once.
#[derive(Debug)]
pub struct Pace {
    turns: Semaphore,
    /// Whose turn it is while somebody waits.
    alone: Semaphore,
    waiting: AtomicUsize,
}

impl Default for Pace {
    fn default() -> Self {
        Self::of(AT_ONCE)
    }
}

/// Somebody waits for an answer of the API, until this is dropped.
#[derive(Debug)]
pub struct Waits<'p>(&'p Pace);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pace {
    fn of(at_once: usize) -> Self {
        Self {
            turns: Semaphore::new(at_once),
            alone: Semaphore::new(1),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Somebody waits for an answer from now on.
    #[must_use]
    pub fn somebody_waits(&self) -> Waits<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waits(self)
    }

    // Neither is ever closed.
    async fn turn(&self) -> [Option<SemaphorePermit<'_>>; 2] {
        let alone = if self.waiting.load(Ordering::Relaxed) > 0 {
            self.alone.acquire().await.ok()
        } else {
            None
        };
        [alone, self.turns.acquire().await.ok()]
    }
}

/// The same client, which reads as ever, and writes at this pace.
#[must_use]
pub fn paced(client: Client, pace: Arc<Pace>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let paced = tower::service_fn(move |request: http::Request<Body>| {
        let (pace, client) = (Arc::clone(&pace), client.clone());
        async move {
            if *request.method() == http::Method::GET {
                return client.send(request).await;
            }
            let _turn = pace.turn().await;
            let began = Instant::now();
            let answer = client.send(request).await;
            tokio::time::sleep(rest(began.elapsed())).await;
            answer
        }
    });
    Client::new(paced, namespace)
}

/// The rest after a write that took so long: whoever answers slowly has others to serve. Hundreds go on at once when a policy that
/// they share is written.
fn rest(took: Duration) -> Duration {
    took.min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::PostParams;

    use super::*;

    /// The most writes that are on their way at once, of six that are wanted; and a read in between.
    async fn most(pace: Arc<Pace>) -> usize {
        let (inside, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let go = Arc::new(Semaphore::new(0));
        let (seen, peak, gate) = (Arc::clone(&inside), Arc::clone(&most), Arc::clone(&go));
        let server = tower::service_fn(move |request: http::Request<Body>| {
            let (seen, peak, gate) = (Arc::clone(&seen), Arc::clone(&peak), Arc::clone(&gate));
            async move {
                if request.method() != http::Method::GET {
                    peak.fetch_max(seen.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    gate.acquire().await.unwrap().forget();
                    seen.fetch_sub(1, Ordering::SeqCst);
                }
                let map =
                    br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"}}"#.to_vec();
                Ok::<_, kube::Error>(http::Response::new(Body::from(map)))
            }
        });
        let maps: Api<ConfigMap> = Api::default_namespaced(paced(Client::new(server, "n"), pace));
        let (map, params) = (ConfigMap::default(), PostParams::default());
        let writes = futures::future::join_all((0..6).map(|_| maps.create(&params, &map)));
        let reads = async {
            while inside.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            maps.get("m").await.unwrap();
            go.add_permits(6);
        };
        let (written, ()) = tokio::join!(writes, reads);
        assert!(written.iter().all(Result::is_ok));
        most.load(Ordering::SeqCst)
    }

    /// Two writes, one at a time, each answered after so long; how long both took.
    async fn two(answers_after: Duration) -> Duration {
        let server = tower::service_fn(move |_: http::Request<Body>| async move {
            tokio::time::sleep(answers_after).await;
            let map = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"}}"#.to_vec();
            Ok::<_, kube::Error>(http::Response::new(Body::from(map)))
        });
        let client = paced(Client::new(server, "n"), Arc::new(Pace::of(1)));
        let maps: Api<ConfigMap> = Api::default_namespaced(client);
        let (map, params, began) = (ConfigMap::default(), PostParams::default(), Instant::now());
        let write = || maps.create(&params, &map);
        let (one, other) = tokio::join!(write(), write());
        assert!(one.is_ok() && other.is_ok());
        began.elapsed()
    }

    #[tokio::test]
    async fn after_a_write_it_rests_as_long_as_that_took_and_not_longer_than_agreed() {
        let took = two(Duration::from_millis(20)).await;
        assert!(took >= Duration::from_millis(80), "{took:?}");
        assert_eq!(rest(Duration::from_secs(5)), LONGEST_REST);
    }

    #[tokio::test]
    async fn no_more_writes_than_agreed_are_on_their_way_and_one_alone_while_somebody_waits() {
        let pace = Arc::new(Pace::of(2));
        assert_eq!(most(Arc::clone(&pace)).await, 2);
        let (one, another) = (pace.somebody_waits(), pace.somebody_waits());
        assert_eq!(most(Arc::clone(&pace)).await, 1);
        drop(one);
        assert_eq!(most(Arc::clone(&pace)).await, 1);
        drop(another);
        assert_eq!(most(Arc::clone(&pace)).await, 2);
    }
}

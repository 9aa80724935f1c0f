//! The leader's writes come a few at a time. What it has to do can wait; the admission of pods, which the API server does
//! beside it, cannot: a thousand newcomers at once must not slow down everybody else.

use std::sync::Arc;

use kube::Client;
use kube::client::Body;
use tokio::sync::Semaphore;

/// Writes on their way at the same time. With answers within 20 ms that is 200 a second.
pub const AT_ONCE: usize = 4;

/// The same client, which reads as ever, and sends no more than `at_once` writes before one is answered.
#[must_use]
pub fn paced(client: Client, at_once: usize) -> Client {
    let turns = Arc::new(Semaphore::new(at_once));
    let namespace = client.default_namespace().to_owned();
    let paced = tower::service_fn(move |request: http::Request<Body>| {
        let (turns, client) = (Arc::clone(&turns), client.clone());
        async move {
            let _turn = match *request.method() {
                http::Method::GET => None,
                // It is never closed.
                _ => turns.acquire().await.ok(),
            };
            client.send(request).await
        }
    });
    Client::new(paced, namespace)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::PostParams;

    use super::*;

    #[tokio::test]
    async fn no_more_writes_than_agreed_are_on_their_way_and_reads_do_not_wait() {
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
        let maps: Api<ConfigMap> = Api::default_namespaced(paced(Client::new(server, "n"), 2));
        let (map, params) = (ConfigMap::default(), PostParams::default());
        let writes = futures::future::join_all((0..6).map(|_| maps.create(&params, &map)));
        let reads = async {
            while inside.load(Ordering::SeqCst) < 2 {
                tokio::task::yield_now().await;
            }
            maps.get("m").await.unwrap();
            go.add_permits(6);
        };
        let (written, ()) = tokio::join!(writes, reads);
        assert!(written.iter().all(Result::is_ok));
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }
}

//! Stops what a replica writes once its Lease is no longer surely its own. Asked right before each write; a write that was on
//! its way by then is what etags and resourceVersions are for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kube::Client;
use kube::client::Body;

/// A write was asked for by a replica that does not lead (any more). Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this replica does not lead: the one that does goes on with it")]
pub struct NotLeading;

/// Open while this replica surely leads. It shuts by itself: its clock is the machine's monotonic one, so neither a hung
/// task nor a changed date keeps it open.
#[derive(Debug)]
pub struct Fence {
    start: Instant,
    /// Milliseconds after `start`.
    until: AtomicU64,
}

impl Default for Fence {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            until: AtomicU64::new(0),
        }
    }
}

impl Fence {
    /// Whether this replica may write now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.start.elapsed().as_millis() < u128::from(self.until.load(Ordering::Acquire))
    }

    /// It leads for sure until then.
    pub fn open_until(&self, end: Instant) {
        let after = end.saturating_duration_since(self.start).as_millis();
        let after = u64::try_from(after).unwrap_or(u64::MAX);
        self.until.store(after, Ordering::Release);
    }

    /// It does not lead any more.
    pub fn shut(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// As the client for Google asks it.
    #[must_use]
    pub fn for_google(self: &Arc<Self>) -> namesake_gcp::Fence {
        let fence = Arc::clone(self);
        Arc::new(move || fence.is_open())
    }

    /// The same client, which reads as ever, and writes only while the fence is open.
    #[must_use]
    pub fn before(self: &Arc<Self>, client: Client) -> Client {
        let fence = Arc::clone(self);
        let namespace = client.default_namespace().to_owned();
        let guarded = tower::service_fn(move |request: http::Request<Body>| {
            let stopped = request.method() != http::Method::GET && !fence.is_open();
            let client = client.clone();
            async move {
                if stopped {
                    return Err(kube::Error::Service(Box::new(NotLeading)));
                }
                client.send(request).await
            }
        });
        Client::new(guarded, namespace)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::{DeleteParams, PostParams};

    use super::*;

    #[test]
    fn it_is_shut_at_first_open_until_its_end_and_shut_after() {
        let fence = Fence::default();
        assert!(!fence.is_open());
        fence.open_until(Instant::now() + Duration::from_secs(60));
        assert!(fence.is_open());
        fence.shut();
        assert!(!fence.is_open());
        fence.open_until(Instant::now());
        assert!(!fence.is_open());
    }

    #[tokio::test]
    async fn behind_it_everything_is_read_and_nothing_written() {
        let fence = Arc::new(Fence::default());
        let answer = || async {
            let map = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"}}"#.to_vec();
            Ok::<_, kube::Error>(http::Response::new(Body::from(map)))
        };
        let server = Client::new(
            tower::service_fn(move |_: http::Request<Body>| answer()),
            "n",
        );
        let maps: Api<ConfigMap> = Api::default_namespaced(fence.before(server));
        maps.get("m").await.unwrap();
        let written = async || {
            let map = maps.get("m").await.unwrap();
            let created = maps.create(&PostParams::default(), &map).await;
            let deleted = maps.delete("m", &DeleteParams::default()).await;
            [created.err(), deleted.err()]
        };
        for stopped in written().await {
            assert!(stopped.unwrap().to_string().contains("does not lead"));
        }
        fence.open_until(Instant::now() + Duration::from_secs(60));
        assert!(written().await.iter().all(Option::is_none));
    }
}

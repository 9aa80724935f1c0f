//! Stops writes of a replica as soon as it may have lost the Lease. It is checked right before each write; a write that was sent
//! before that is caught by etags and resourceVersions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kube::Client;
use kube::client::Body;

/// A replica that does not lead tried to write. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this replica does not lead: the leader goes on with it")]
pub struct NotLeading;

/// Open while this replica certainly leads. It closes by itself, by the machine's monotonic clock: neither a hung task nor a
/// changed date keeps it open.
#[derive(Debug)]
pub struct Fence {
    start: Instant,
    /// In milliseconds after `start`.
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

    /// This replica certainly leads until then.
    pub fn open_until(&self, end: Instant) {
        let after = end.saturating_duration_since(self.start).as_millis();
        let after = u64::try_from(after).unwrap_or(u64::MAX);
        self.until.store(after, Ordering::Release);
    }

    /// This replica does not lead any more.
    pub fn close(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// For the client for Google.
    #[must_use]
    pub fn for_google(self: &Arc<Self>) -> namesake_gcp::Fence {
        let fence = Arc::clone(self);
        Arc::new(move || fence.is_open())
    }

    /// The same client, which writes only while the fence is open. Reads always pass.
    #[must_use]
    pub fn guard(self: &Arc<Self>, client: Client) -> Client {
        let fence = Arc::clone(self);
        let namespace = client.default_namespace().to_owned();
        let guarded = tower::service_fn(move |request: http::Request<Body>| {
            let is_stopped = request.method() != http::Method::GET && !fence.is_open();
            let client = client.clone();
            async move {
                if is_stopped {
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
    fn a_fence_is_closed_at_first_then_open_until_a_time_and_closed_after_it() {
        let fence = Fence::default();
        assert!(!fence.is_open());
        fence.open_until(Instant::now() + Duration::from_secs(60));
        assert!(fence.is_open());
        fence.close();
        assert!(!fence.is_open());
        fence.open_until(Instant::now());
        assert!(!fence.is_open());
    }

    #[tokio::test]
    async fn behind_a_closed_fence_reads_pass_and_writes_do_not() {
        let fence = Arc::new(Fence::default());
        let answer = || async {
            let map = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"}}"#.to_vec();
            Ok::<_, kube::Error>(http::Response::new(Body::from(map)))
        };
        let server = Client::new(
            tower::service_fn(move |_: http::Request<Body>| answer()),
            "n",
        );
        let maps: Api<ConfigMap> = Api::default_namespaced(fence.guard(server));
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

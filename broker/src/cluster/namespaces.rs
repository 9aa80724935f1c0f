//! Which namespaces have opted in, as the broker's own watch sees it: never as a request says.

use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use namesake_api::{WatchBackoff, names};
use tokio::sync::watch;
use tracing::warn;

use crate::server::ready::{Part, Ready};

/// The namespaces that carry the opt-in label, whatever its value.
pub struct Namespaces {
    store: Store<PartialObjectMeta<Namespace>>,
    changes: watch::Receiver<()>,
}

impl Namespaces {
    /// Whether the namespace has opted in to this stack and is not being deleted.
    #[must_use]
    pub fn opted_in(&self, namespace: &str, stack: &str) -> bool {
        let found = self.store.get(&ObjectRef::new(namespace));
        found.is_some_and(|n| is_in(&n, stack))
    }

    /// Why a namespace has not opted in to this stack, and what to do.
    #[must_use]
    pub fn why_not(&self, namespace: &str, stack: &str) -> String {
        let label = names::OPT_IN_LABEL;
        let Some(found) = self.store.get(&ObjectRef::new(namespace)) else {
            return format!(
                "namespace {namespace} does not have the label {label}: an admin sets it to {stack}"
            );
        };
        if found.metadata.deletion_timestamp.is_some() {
            return format!("namespace {namespace} is being deleted: use another");
        }
        let other = found.labels().get(label).map_or("", String::as_str);
        format!(
            "namespace {namespace} has opted in to stack {other}, and this broker serves stack {stack}: an admin changes its label {label}"
        )
    }

    /// Whether the watch has shown all namespaces since this process started.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let ready = self.store.wait_until_ready().now_or_never();
        ready.is_some_and(|ready| ready.is_ok())
    }

    /// Names of all namespaces that have opted in to this stack and are not being deleted.
    #[must_use]
    pub fn of_stack(&self, stack: &str) -> Vec<String> {
        let all = self.store.state().into_iter();
        all.filter(|n| is_in(n, stack))
            .map(|n| n.name_any())
            .collect()
    }

    /// Waits until the watch has shown all; false when it has ended before.
    pub async fn are_listed(&self) -> bool {
        self.store.wait_until_ready().await.is_ok()
    }

    /// Wakes whoever waits when the list may have changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.clone()
    }
}

fn is_in(namespace: &PartialObjectMeta<Namespace>, stack: &str) -> bool {
    let label = namespace.labels().get(names::OPT_IN_LABEL);
    namespace.metadata.deletion_timestamp.is_none() && label.is_some_and(|value| value == stack)
}

/// The list, and the task that keeps it. The task ends only when it is dropped.
pub fn watch(
    client: Client,
    ready: Arc<Ready>,
) -> (Arc<Namespaces>, impl Future<Output = ()> + Send) {
    let (store, writer) = reflector::store();
    let (changed, changes) = watch::channel(());
    let config = watcher::Config::default().labels(names::OPT_IN_LABEL);
    let events = watcher(Api::<PartialObjectMeta<Namespace>>::all(client), config)
        .backoff(WatchBackoff::default());
    let task = async move {
        let mut events = std::pin::pin!(reflector::reflector(writer, events));
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => continue,
                Ok(watcher::Event::InitDone) => ready.set(Part::Namespaces),
                Ok(_) => {}
                Err(error) => warn!(%error, "the watch of namespaces broke and is started again"),
            }
            changed.send_replace(());
        }
    };
    (Arc::new(Namespaces { store, changes }), task)
}

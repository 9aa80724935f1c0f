//! Which namespaces have opted in, as the broker's own watch shows it, never as a request claims it.

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

use crate::server::ready::{Ready, ReadyPart};

/// The namespaces that have the opt-in label, with any value.
pub struct Namespaces {
    store: Store<PartialObjectMeta<Namespace>>,
    changes: watch::Receiver<()>,
}

impl Namespaces {
    /// Whether the namespace has opted in to this stack and is not being deleted.
    #[must_use]
    pub fn is_opted_in(&self, namespace: &str, stack: &str) -> bool {
        let found = self.store.get(&ObjectRef::new(namespace));
        found.is_some_and(|namespace| is_in_stack(&namespace, stack))
    }

    /// Why a namespace is not opted in to this stack, and what to do.
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

    /// Whether the watch has listed all namespaces since this process started.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        let ready = self.store.wait_until_ready().now_or_never();
        ready.is_some_and(|ready| ready.is_ok())
    }

    /// Names of all namespaces that have opted in to this stack and are not being deleted.
    #[must_use]
    pub fn in_stack(&self, stack: &str) -> Vec<String> {
        let all = self.store.state().into_iter();
        all.filter(|namespace| is_in_stack(namespace, stack))
            .map(|namespace| namespace.name_any())
            .collect()
    }

    /// Waits until the watch has listed all namespaces; false if it ends before that.
    pub async fn wait_until_synced(&self) -> bool {
        self.store.wait_until_ready().await.is_ok()
    }

    /// Notifies of each change of the list.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.clone()
    }
}

fn is_in_stack(namespace: &PartialObjectMeta<Namespace>, stack: &str) -> bool {
    let label = namespace.labels().get(names::OPT_IN_LABEL);
    namespace.metadata.deletion_timestamp.is_none() && label.is_some_and(|value| value == stack)
}

/// The list, and the task that keeps it current. The task ends only when it is dropped.
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
                Ok(watcher::Event::InitDone) => ready.set(ReadyPart::Namespaces),
                Ok(_) => {}
                Err(error) => warn!(%error, "the watch of namespaces failed and is restarted"),
            }
            changed.send_replace(());
        }
    };
    (Arc::new(Namespaces { store, changes }), task)
}

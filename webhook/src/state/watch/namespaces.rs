//! Namespaces that are opted in to the stack, each with a watch of the parents in it.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client};
use namesake_api::names::{EPOCH_ANNOTATION, MODE_LABEL, OPT_IN_LABEL};
use namesake_core::is_epoch;
use tokio::task::AbortHandle;

use super::{WatchEvent, parents};
use crate::decide::mode::Mode;
use crate::state::{OptedIn, State};

/// Keeps the opted-in namespaces in memory, and a watch of the parents of each; never returns.
pub(super) async fn run(client: Client, stack: &str, state: Arc<State>) {
    let config = Config::default().labels(&format!("{OPT_IN_LABEL}={stack}"));
    let events = watcher(
        Api::<PartialObjectMeta<Namespace>>::all(client.clone()),
        config,
    );
    let mut watches = Watches {
        client,
        state: state.clone(),
        running: HashMap::new(),
    };
    super::follow("namespaces", &state, events, |update| {
        match update {
            WatchEvent::Apply(namespace) => return watches.apply(namespace.metadata),
            WatchEvent::Listed(listed) => {
                let known = state.namespaces.names().into_iter();
                for namespace in known.filter(|name| !listed.contains(name)) {
                    watches.delete(&namespace);
                }
                state.synced.namespaces.set();
            }
            WatchEvent::Delete(namespace) => {
                watches.delete(&namespace.metadata.name.unwrap_or_default());
            }
            WatchEvent::Failed => {}
        }
        None
    })
    .await;
}

// The watches of parents, by namespace.
struct Watches {
    client: Client,
    state: Arc<State>,
    running: HashMap<String, AbortHandle>,
}

impl Watches {
    fn apply(&mut self, metadata: ObjectMeta) -> Option<String> {
        let labels = metadata.labels?;
        let stack = labels.get(OPT_IN_LABEL)?.clone();
        let namespace = metadata.name?;
        let mode = self.mode(&namespace, labels.get(MODE_LABEL).map(String::as_str));
        let epoch = metadata
            .annotations
            .and_then(|mut all| all.remove(EPOCH_ANNOTATION))
            .filter(|epoch| is_epoch(epoch));
        let epoch = match (mode, epoch) {
            (Mode::Enforce | Mode::Shadow, Some(epoch)) => epoch,
            (mode, _) => {
                if mode != Mode::Off {
                    tracing::warn!(
                        namespace,
                        "the namespace has no annotation {EPOCH_ANNOTATION}, so nothing is admitted there: remove the label \
                         {OPT_IN_LABEL} and set it again"
                    );
                }
                self.delete(&namespace);
                self.state.count_modes();
                return None;
            }
        };
        let state = &self.state;
        let opted_in = OptedIn { stack, mode, epoch };
        if state.namespaces.apply(&namespace, opted_in.clone()) {
            let OptedIn { stack, epoch, .. } = &opted_in;
            tracing::info!(namespace, stack, ?mode, epoch, "namespace opted in");
            for (kind, _) in parents::watched() {
                state.synced.expect_parents(&namespace, kind.name);
            }
            let watch = parents::run(self.client.clone(), namespace.clone(), state.clone());
            let watch = tokio::spawn(watch).abort_handle();
            if let Some(old) = self.running.insert(namespace.clone(), watch) {
                old.abort();
            }
        }
        state.count_modes();
        Some(namespace)
    }

    fn mode(&self, namespace: &str, label: Option<&str>) -> Mode {
        Mode::of(label).unwrap_or_else(|text| {
            self.state.metrics.unknown_modes.inc();
            tracing::warn!(
                namespace,
                text,
                "the value of the label {MODE_LABEL} is not a mode: set it to enforce, shadow or off; until then the namespace enforces"
            );
            Mode::default()
        })
    }

    fn delete(&mut self, namespace: &str) {
        if let Some(watch) = self.running.remove(namespace) {
            watch.abort();
            tracing::info!(namespace, "namespace opted out");
        }
        self.state.namespaces.delete(namespace);
        self.state.parents.delete_namespace(namespace);
        self.state.synced.forget_parents(namespace);
        self.state.count_cached();
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        for watch in self.running.values() {
            watch.abort();
        }
    }
}

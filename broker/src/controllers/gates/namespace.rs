//! The gates of one namespace.

mod accounts;
mod pod_actions;
mod pods;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Api;
use kube::api::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use namesake_api::{Identity, WatchBackoff, names};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval};

use super::Gates;
use super::waiting_pods::WaitingPods;

/// Pods in one page of a list: each may be as large as an object gets (1.5 MiB).
const PAGE: u32 = 50;

struct NamespaceGates {
    gates: Arc<Gates>,
    namespace: String,
    pods: WaitingPods,
    /// UIDs of pods whose gate was opened, until the watch shows that.
    opened: HashSet<String>,
    /// UIDs of the pods in the list that the watch is reading.
    listed: HashSet<String>,
}

/// Which waiting pods are checked.
enum PodSelection {
    None,
    /// Those that run as these KSAs.
    Accounts(BTreeSet<String>),
    All,
}

impl PodSelection {
    fn of_account(account: String) -> Self {
        Self::Accounts(BTreeSet::from([account]))
    }

    /// The pods of this identity, and of all others that have changed since.
    fn of_changed(first: String, changed: &mut UnboundedReceiver<String>) -> Self {
        let mut accounts = BTreeSet::from([first]);
        while let Ok(account) = changed.try_recv() {
            accounts.insert(account);
        }
        Self::Accounts(accounts)
    }
}

/// Watches the pods and managed KSAs of a namespace, and opens gates when identities work. Ends only when it is dropped.
pub(super) async fn watch(gates: Arc<Gates>, namespace: String) {
    let client = gates.context.client.clone();
    // Pods without a node: those at a gate, and those that the scheduler has not placed. Never by labels, which tenants write.
    let config = watcher::Config::default()
        .fields("spec.nodeName=")
        .page_size(PAGE);
    let pods = watcher(Api::<Pod>::namespaced(client.clone(), &namespace), config);
    let managed = format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE);
    let config = watcher::Config::default().labels(&managed);
    let accounts: Api<PartialObjectMeta<ServiceAccount>> = Api::namespaced(client, &namespace);
    let accounts = watcher(accounts, config);
    let mut pods = std::pin::pin!(pods.backoff(WatchBackoff::default()));
    let mut accounts = std::pin::pin!(accounts.backoff(WatchBackoff::default()));
    let mut changed = gates.context.changes.subscribe(&namespace);
    let mut tick = interval(gates.context.config.timings.gates);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut gates = NamespaceGates {
        gates,
        namespace,
        pods: WaitingPods::default(),
        opened: HashSet::new(),
        listed: HashSet::new(),
    };
    loop {
        let selection = tokio::select! {
            Some(event) = pods.next() => gates.handle_pod_event(event).await,
            Some(event) = accounts.next() => gates.handle_account_event(event),
            Some(first) = changed.recv() => PodSelection::of_changed(first, &mut changed),
            _ = tick.tick() => PodSelection::All,
        };
        gates.check(&selection).await;
    }
}

impl NamespaceGates {
    /// The Identity of this name, if it is one of our stack: a namespace may still have some of another.
    fn identity(&self, name: &str) -> Option<Identity> {
        let context = &self.gates.context;
        let found = context.identities.get(&self.namespace, name)?;
        let rules = context.rules.current()?;
        (found.spec.stack == rules.stack()).then_some(found)
    }
}

impl Drop for NamespaceGates {
    fn drop(&mut self) {
        self.gates
            .context
            .accounts
            .forget_namespace(&self.namespace);
    }
}

#[cfg(test)]
mod tests;

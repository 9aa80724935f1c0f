//! The pods of one namespace that wait at their gate, ordered so that a change of one identity costs only as much as that identity
//! has pods.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::decide::GatedPod;

/// A pod that waits at its gate.
#[derive(Debug)]
pub(super) struct WaitingPod {
    pub(super) pod: GatedPod,
    /// How often the reason was written on it.
    pub(super) reports: u32,
    /// When the reason was last written, or the pod began to wait.
    pub(super) last_report: Instant,
    /// Since when its reason is one that does not pass by itself.
    pub(super) lasting_since: Option<Instant>,
}

impl WaitingPod {
    /// A pod that begins to wait.
    pub(super) fn new(pod: GatedPod) -> Self {
        Self {
            pod,
            reports: 0,
            last_report: Instant::now(),
            lasting_since: None,
        }
    }
}

/// All pods that wait, by the KSA that they run as and by name.
#[derive(Debug, Default)]
pub(super) struct WaitingPods(BTreeMap<(String, String), WaitingPod>);

impl WaitingPods {
    pub(super) fn insert(&mut self, waiting: WaitingPod) {
        let key = key(&waiting.pod.service_account, &waiting.pod.name);
        self.0.insert(key, waiting);
    }

    pub(super) fn remove(&mut self, account: &str, name: &str) -> Option<WaitingPod> {
        self.0.remove(&key(account, name))
    }

    pub(super) fn get_mut(&mut self, pod: &GatedPod) -> Option<&mut WaitingPod> {
        self.0.get_mut(&key(&pod.service_account, &pod.name))
    }

    /// The pods that run as this KSA.
    pub(super) fn of_account(&self, account: &str) -> impl Iterator<Item = &GatedPod> {
        let from_first = self.0.range(key(account, "")..);
        let here = from_first.take_while(move |((of, _), _)| of == account);
        here.map(|(_, waiting)| &waiting.pod)
    }

    pub(super) fn accounts(&self) -> BTreeSet<String> {
        self.0.keys().map(|(account, _)| account.clone()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

fn key(account: &str, name: &str) -> (String, String) {
    (account.to_owned(), name.to_owned())
}

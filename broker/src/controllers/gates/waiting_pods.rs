//! The pods of one namespace that wait at their gate, by name and by the KSA that they run as, so that a change of one identity
//! costs only as much as that identity has pods.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use super::decide::GatedPod;
use crate::server::metrics::WaitingGuard;

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
    /// Counts it in the metrics.
    pub(super) _waits: WaitingGuard,
}

impl WaitingPod {
    /// A pod that begins to wait.
    pub(super) fn new(pod: GatedPod, waits: WaitingGuard) -> Self {
        Self {
            pod,
            reports: 0,
            last_report: Instant::now(),
            lasting_since: None,
            _waits: waits,
        }
    }
}

/// All pods that wait.
#[derive(Debug, Default)]
pub(super) struct WaitingPods {
    by_name: HashMap<String, WaitingPod>,
    by_account: HashMap<String, BTreeSet<String>>,
}

impl WaitingPods {
    pub(super) fn insert(&mut self, waiting: WaitingPod) {
        let name = waiting.pod.name.clone();
        self.remove(&name);
        let account = waiting.pod.service_account.clone();
        let names = self.by_account.entry(account).or_default();
        names.insert(name.clone());
        self.by_name.insert(name, waiting);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<WaitingPod> {
        let waiting = self.by_name.remove(name)?;
        let account = &waiting.pod.service_account;
        if let Some(names) = self.by_account.get_mut(account) {
            names.remove(name);
            if names.is_empty() {
                self.by_account.remove(account);
            }
        }
        Some(waiting)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut WaitingPod> {
        self.by_name.get_mut(name)
    }

    /// The pods that run as this KSA.
    pub(super) fn of_account(&self, account: &str) -> impl Iterator<Item = &GatedPod> {
        let names = self.by_account.get(account).into_iter().flatten();
        names.filter_map(|name| self.by_name.get(name).map(|waiting| &waiting.pod))
    }

    pub(super) fn accounts(&self) -> Vec<String> {
        self.by_account.keys().cloned().collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Removes the pods for which `keep` returns false.
    pub(super) fn retain(&mut self, keep: impl Fn(&GatedPod) -> bool) {
        let all = self.by_name.values().map(|waiting| &waiting.pod);
        let gone = all.filter(|pod| !keep(pod));
        let gone: Vec<_> = gone.map(|pod| pod.name.clone()).collect();
        for name in gone {
            self.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::metrics::Metrics;

    fn waiting(name: &str, account: &str) -> WaitingPod {
        let pod = GatedPod {
            name: name.into(),
            uid: "p".into(),
            service_account: account.into(),
            gate_index: 0,
            created: None,
            waiting_annotation: None,
            decision: None,
            containers: Vec::new(),
            says_why: false,
        };
        WaitingPod::new(pod, Metrics::default().pod_waits(None))
    }

    fn names(pods: &WaitingPods, account: &str) -> Vec<String> {
        let pods = pods.of_account(account);
        pods.map(|pod| pod.name.clone()).collect()
    }

    #[test]
    fn pods_are_found_by_the_account_that_they_run_as_now() {
        let mut pods = WaitingPods::default();
        for (name, account) in [("t-1", "mf-a"), ("t-2", "mf-b"), ("t-3", "mf-a")] {
            pods.insert(waiting(name, account));
        }
        assert_eq!(names(&pods, "mf-a"), ["t-1", "t-3"]);
        // A pod of the same name was created again for another user.
        pods.insert(waiting("t-1", "mf-b"));
        assert_eq!(names(&pods, "mf-a"), ["t-3"]);
        assert_eq!(names(&pods, "mf-b"), ["t-1", "t-2"]);
        assert_eq!(pods.remove("t-3").unwrap().pod.service_account, "mf-a");
        assert_eq!((pods.accounts(), pods.len()), (vec!["mf-b".to_owned()], 2));
        assert!(pods.remove("t-3").is_none());
        pods.retain(|pod| pod.name == "t-2");
        assert_eq!(names(&pods, "mf-b"), ["t-2"]);
        pods.retain(|_| false);
        assert_eq!((pods.accounts(), pods.len()), (Vec::new(), 0));
    }
}

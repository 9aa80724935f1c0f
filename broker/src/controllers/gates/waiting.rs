//! The pods of one namespace that wait at our gate: by name, and by the account that they run as, so that a change of one
//! identity costs as much as it has pods, and not as there are pods.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use super::Gated;

/// A pod at its gate.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) pod: Gated,
    /// How often it was told why.
    pub(super) told: u32,
    /// When it was told last, or began to wait: it comes with a first word.
    pub(super) told_at: Instant,
    /// Since when its reason is one that does not pass by itself.
    pub(super) lasting: Option<Instant>,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Pods {
    by_name: HashMap<String, Waiting>,
    by_account: HashMap<String, BTreeSet<String>>,
}

impl Pods {
    pub(super) fn insert(&mut self, waiting: Waiting) {
        let name = waiting.pod.name.clone();
        self.remove(&name);
        let account = waiting.pod.service_account.clone();
        self.by_account
            .entry(account)
            .or_default()
            .insert(name.clone());
        self.by_name.insert(name, waiting);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Waiting> {
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

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Waiting> {
        self.by_name.get_mut(name)
    }

    /// Those that run as this account.
    pub(super) fn of(&self, account: &str) -> impl Iterator<Item = &Gated> {
        let names = self.by_account.get(account).into_iter().flatten();
        names.filter_map(|name| self.by_name.get(name).map(|waiting| &waiting.pod))
    }

    pub(super) fn accounts(&self) -> Vec<String> {
        self.by_account.keys().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(name: &str, account: &str) -> Waiting {
        let pod = Gated {
            name: name.into(),
            uid: "p".into(),
            service_account: account.into(),
            index: 0,
            created: None,
            says: None,
        };
        Waiting {
            pod,
            told: 0,
            told_at: Instant::now(),
            lasting: None,
        }
    }

    fn of(pods: &Pods, account: &str) -> Vec<String> {
        pods.of(account).map(|pod| pod.name.clone()).collect()
    }

    #[test]
    fn the_pods_of_an_account_are_those_that_wait_and_run_as_it_now() {
        let mut pods = Pods::default();
        for (name, account) in [("t-1", "mf-a"), ("t-2", "mf-b"), ("t-3", "mf-a")] {
            pods.insert(waiting(name, account));
        }
        assert_eq!(of(&pods, "mf-a"), ["t-1", "t-3"]);
        // A pod of the same name, made anew for somebody else.
        pods.insert(waiting("t-1", "mf-b"));
        assert_eq!(of(&pods, "mf-a"), ["t-3"]);
        assert_eq!(of(&pods, "mf-b"), ["t-1", "t-2"]);
        assert_eq!(pods.remove("t-3").unwrap().pod.service_account, "mf-a");
        assert_eq!((pods.accounts(), pods.len()), (vec!["mf-b".to_owned()], 2));
        assert!(pods.remove("t-3").is_none());
        pods.clear();
        assert_eq!((pods.accounts(), pods.len()), (Vec::new(), 0));
    }
}

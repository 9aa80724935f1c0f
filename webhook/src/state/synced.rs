//! The parts of the state that have been loaded since the start.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Something that has happened since the start.
#[derive(Debug, Default)]
pub struct Flag(AtomicBool);

impl Flag {
    /// It has happened.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it has happened.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The parts that have been loaded.
#[derive(Debug, Default)]
pub struct Synced {
    /// Rules are in force.
    pub rules: Flag,
    /// All Identities were listed. A replica is ready before that, and reads each Identity that it needs.
    pub identities: Flag,
    /// The namespaces were listed.
    pub namespaces: Flag,
    /// The stamp keys are loaded.
    pub keys: Flag,
    /// The webhook configurations have the caBundle of the webhook's certificate.
    pub ca_bundle: Flag,
    /// This replica shuts down soon; it still serves, but should get no new requests.
    pub shutting_down: Flag,
    // Namespaces and kinds whose parents are being listed for the first time.
    parents: Mutex<BTreeSet<(String, &'static str)>>,
}

impl Synced {
    /// Parents of this namespace and kind are being listed. Only those of the first list of namespaces keep a replica from being
    /// ready; a namespace that opts in later must not take it out of service.
    pub fn expect_parents(&self, namespace: &str, kind: &'static str) {
        if self.namespaces.is_set() {
            return;
        }
        let mut parents = self.parents.lock();
        parents.insert((namespace.to_owned(), kind));
    }

    /// Parents of this namespace and kind were listed, or cannot be.
    pub fn settle_parents(&self, namespace: &str, kind: &'static str) {
        let mut parents = self.parents.lock();
        parents.remove(&(namespace.to_owned(), kind));
    }

    /// This namespace opted out.
    pub fn forget_parents(&self, namespace: &str) {
        let mut parents = self.parents.lock();
        parents.retain(|(n, _)| n != namespace);
    }

    /// The parts that are missing; empty when this replica is ready.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let flags = [
            (&self.rules, "rules are not loaded"),
            (&self.namespaces, "namespaces are not listed"),
            (&self.keys, "the stamp keys are not loaded"),
            (&self.ca_bundle, "the caBundle is not applied"),
        ];
        let unset = flags.iter().filter(|(flag, _)| !flag.is_set());
        let mut missing: Vec<_> = unset.map(|(_, text)| (*text).to_owned()).collect();
        let parents = self.parents.lock();
        missing.extend(
            parents
                .iter()
                .map(|(n, kind)| format!("{kind} objects of namespace {n} are not listed")),
        );
        if self.shutting_down.is_set() {
            missing.push("this replica is shutting down".to_owned());
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_ready_when_all_is_loaded_and_stays_ready_when_another_namespace_opts_in() {
        let synced = Synced::default();
        synced.expect_parents("research", "batch/Job");
        assert_eq!(synced.missing().len(), 5);
        synced.rules.set();
        synced.namespaces.set();
        synced.keys.set();
        synced.ca_bundle.set();
        assert_eq!(
            synced.missing(),
            ["batch/Job objects of namespace research are not listed"]
        );
        synced.settle_parents("research", "batch/Job");
        synced.expect_parents("prod", "batch/Job");
        assert!(synced.missing().is_empty());
        synced.shutting_down.set();
        assert_eq!(synced.missing(), ["this replica is shutting down"]);
    }
}

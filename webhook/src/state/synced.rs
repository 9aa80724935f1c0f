//! The parts of the state that have been loaded since the start; a replica is ready when all are.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// The parts that have been loaded.
#[derive(Debug, Default)]
pub struct Synced {
    rules: AtomicBool,
    identities: AtomicBool,
    namespaces: AtomicBool,
    keys: AtomicBool,
    ca_bundle: AtomicBool,
    shutting_down: AtomicBool,
    // Namespaces and kinds whose parents are being listed for the first time.
    parents: Mutex<BTreeSet<(String, &'static str)>>,
}

impl Synced {
    /// Rules are in force.
    pub fn set_rules(&self) {
        self.rules.store(true, Ordering::Release);
    }

    /// The Identities were listed.
    pub fn set_identities(&self) {
        self.identities.store(true, Ordering::Release);
    }

    /// The namespaces were listed.
    pub fn set_namespaces(&self) {
        self.namespaces.store(true, Ordering::Release);
    }

    /// The stamp keys are loaded.
    pub fn set_keys(&self) {
        self.keys.store(true, Ordering::Release);
    }

    /// The webhook configurations have the caBundle of the webhook's certificate.
    pub fn set_ca_bundle(&self) {
        self.ca_bundle.store(true, Ordering::Release);
    }

    /// This replica shuts down soon; it still serves, but should get no new requests.
    pub fn set_shutting_down(&self) {
        self.shutting_down.store(true, Ordering::Release);
    }

    /// Parents of this namespace and kind are being listed. Only those of the first list of namespaces keep a replica from being
    /// ready; a namespace that opts in later must not take it out of service.
    pub fn expect_parents(&self, namespace: &str, kind: &'static str) {
        if self.namespaces.load(Ordering::Acquire) {
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

    /// Whether the namespaces were listed.
    #[must_use]
    pub fn has_namespaces(&self) -> bool {
        self.namespaces.load(Ordering::Acquire)
    }

    /// Whether the Identities were listed.
    #[must_use]
    pub fn has_identities(&self) -> bool {
        self.identities.load(Ordering::Acquire)
    }

    /// The parts that are missing; empty when this replica is ready.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let flags = [
            (&self.rules, "rules are not loaded"),
            (&self.identities, "Identities are not listed"),
            (&self.namespaces, "namespaces are not listed"),
            (&self.keys, "the stamp keys are not loaded"),
            (&self.ca_bundle, "the caBundle is not applied"),
        ];
        let unset = flags
            .iter()
            .filter(|(flag, _)| !flag.load(Ordering::Acquire));
        let mut missing: Vec<_> = unset.map(|(_, text)| (*text).to_owned()).collect();
        let parents = self.parents.lock();
        missing.extend(
            parents
                .iter()
                .map(|(n, kind)| format!("{kind} objects of namespace {n} are not listed")),
        );
        if self.shutting_down.load(Ordering::Acquire) {
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
        assert_eq!(synced.missing().len(), 6);
        synced.set_rules();
        synced.set_identities();
        synced.set_namespaces();
        synced.set_keys();
        synced.set_ca_bundle();
        assert_eq!(
            synced.missing(),
            ["batch/Job objects of namespace research are not listed"]
        );
        synced.settle_parents("research", "batch/Job");
        synced.expect_parents("prod", "batch/Job");
        assert!(synced.missing().is_empty());
        synced.set_shutting_down();
        assert_eq!(synced.missing(), ["this replica is shutting down"]);
    }
}

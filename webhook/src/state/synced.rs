//! What has been loaded since the start; a replica serves when all of it has.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What has been loaded, and what is still missing.
#[derive(Debug, Default)]
pub struct Synced {
    rules: AtomicBool,
    identities: AtomicBool,
    namespaces: AtomicBool,
    keys: AtomicBool,
    ca_bundle: AtomicBool,
    leaving: AtomicBool,
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

    /// The keys of stamps are there.
    pub fn set_keys(&self) {
        self.keys.store(true, Ordering::Release);
    }

    /// The API server has been told to trust our certificate.
    pub fn set_ca_bundle(&self) {
        self.ca_bundle.store(true, Ordering::Release);
    }

    /// This replica is about to stop; it goes on serving, but asks for no more.
    pub fn set_leaving(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Parents of this namespace and kind are being listed. Only those of the first list of namespaces hold a replica back;
    /// a namespace that opts in later must not take it out of service.
    pub fn expect_parents(&self, namespace: &str, kind: &'static str) {
        if self.namespaces.load(Ordering::Acquire) {
            return;
        }
        let mut parents = self.parents.lock().unwrap_or_else(PoisonError::into_inner);
        parents.insert((namespace.to_owned(), kind));
    }

    /// Parents of this namespace and kind were listed, or cannot be.
    pub fn settle_parents(&self, namespace: &str, kind: &'static str) {
        let mut parents = self.parents.lock().unwrap_or_else(PoisonError::into_inner);
        parents.remove(&(namespace.to_owned(), kind));
    }

    /// This namespace opted out.
    pub fn forget_parents(&self, namespace: &str) {
        let mut parents = self.parents.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// What is missing; empty when this replica can serve.
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
        let parents = self.parents.lock().unwrap_or_else(PoisonError::into_inner);
        missing.extend(
            parents
                .iter()
                .map(|(n, kind)| format!("{kind} objects of namespace {n} are not listed")),
        );
        if self.leaving.load(Ordering::Acquire) {
            missing.push("this replica is stopping".to_owned());
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_serves_when_all_is_loaded_and_a_later_namespace_does_not_stop_it() {
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
        synced.set_leaving();
        assert_eq!(synced.missing(), ["this replica is stopping"]);
    }
}

//! The parts of the state that have been loaded since the start; a replica is ready when all are.

use std::sync::atomic::{AtomicBool, Ordering};

/// The parts that have been loaded.
#[derive(Debug)]
pub struct Synced {
    rules: AtomicBool,
    identities: AtomicBool,
    cluster_keys: AtomicBool,
    shutting_down: AtomicBool,
}

impl Synced {
    /// Nothing is loaded. The keys of the cluster's tokens are needed only if gateway.yaml accepts these.
    #[must_use]
    pub fn new(needs_cluster_keys: bool) -> Self {
        Self {
            rules: AtomicBool::new(false),
            identities: AtomicBool::new(false),
            cluster_keys: AtomicBool::new(!needs_cluster_keys),
            shutting_down: AtomicBool::new(false),
        }
    }

    /// Rules are in force.
    pub fn set_rules(&self) {
        self.rules.store(true, Ordering::Release);
    }

    /// The Identities were listed.
    pub fn set_identities(&self) {
        self.identities.store(true, Ordering::Release);
    }

    /// The keys of the cluster's tokens were read.
    pub fn set_cluster_keys(&self) {
        self.cluster_keys.store(true, Ordering::Release);
    }

    /// This replica shuts down soon; it still serves, but should get no new requests.
    pub fn set_shutting_down(&self) {
        self.shutting_down.store(true, Ordering::Release);
    }

    /// The parts that are missing; empty when this replica is ready.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = [
            (&self.rules, true, "rules are not loaded"),
            (&self.identities, true, "Identities are not listed"),
            (
                &self.cluster_keys,
                true,
                "the keys of the cluster's tokens are not read",
            ),
            (&self.shutting_down, false, "this replica is shutting down"),
        ];
        let missing = parts
            .into_iter()
            .filter(|(part, wanted, _)| part.load(Ordering::Acquire) != *wanted);
        missing.map(|(.., text)| text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_ready_when_all_is_loaded_and_until_it_shuts_down() {
        let synced = Synced::new(true);
        assert_eq!(synced.missing().len(), 3);
        synced.set_rules();
        synced.set_identities();
        assert_eq!(
            synced.missing(),
            ["the keys of the cluster's tokens are not read"]
        );
        synced.set_cluster_keys();
        assert!(synced.missing().is_empty());
        synced.set_shutting_down();
        assert_eq!(synced.missing(), ["this replica is shutting down"]);
        assert_eq!(Synced::new(false).missing().len(), 2);
    }
}

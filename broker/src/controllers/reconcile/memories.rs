//! The memory of each identity, and the version that the last write made.

use std::collections::HashMap;
use std::time::Duration;

use kube::ResourceExt;
use namesake_api::Identity;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::memory::{Memory, key};

/// How long a watch may lag. An older version that it shows for longer is current: versions start again when a cluster is restored.
const LAG: Duration = Duration::from_secs(60);

/// The memory of all identities, by UID.
#[derive(Default)]
pub(crate) struct Memories(Mutex<HashMap<String, MemoryEntry>>);

#[derive(Default)]
struct MemoryEntry {
    memory: Memory,
    /// The version that the last write made, and when.
    last_write: Option<(u64, Instant)>,
}

impl Memories {
    /// The memory of an identity, as it is now.
    pub(crate) fn get(&self, identity: &Identity) -> Memory {
        let memory = self.read(identity, |entry| entry.memory.clone());
        memory.unwrap_or_default().for_key(key(identity))
    }

    pub(crate) fn put(&self, identity: &Identity, memory: Memory) {
        self.change(identity, |entry| entry.memory = memory);
    }

    /// Records the Identity that a write has returned.
    pub(crate) fn record_write(&self, identity: &Identity) {
        let last_write = version(identity).map(|version| (version, Instant::now()));
        self.change(identity, |entry| entry.last_write = last_write);
    }

    /// Whether this Identity is older than the last write: acting on it would repeat steps.
    pub(crate) fn is_outdated(&self, identity: &Identity) -> bool {
        let last_write = self.read(identity, |entry| entry.last_write).flatten();
        let last_write = last_write.filter(|(_, at)| at.elapsed() < LAG);
        last_write.is_some_and(|(last, _)| version(identity).is_some_and(|version| version < last))
    }

    pub(crate) fn remove(&self, identity: &Identity) {
        self.0.lock().remove(&identity.uid().unwrap_or_default());
    }

    fn read<T>(&self, identity: &Identity, read: impl FnOnce(&MemoryEntry) -> T) -> Option<T> {
        let uid = identity.uid().unwrap_or_default();
        self.0.lock().get(&uid).map(read)
    }

    fn change(&self, identity: &Identity, change: impl FnOnce(&mut MemoryEntry)) {
        let uid = identity.uid().unwrap_or_default();
        change(self.0.lock().entry(uid).or_default());
    }
}

/// Versions of one kind can be compared as numbers (Kubernetes documents that since 1.35; etcd made them so before).
fn version(identity: &Identity) -> Option<u64> {
    identity.metadata.resource_version.as_deref()?.parse().ok()
}

//! A set whose entries expire.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long an entry counts.
const TTL: Duration = Duration::from_hours(1);

/// What was found good, and when.
pub(crate) struct TtlSet<T>(Mutex<HashMap<T, Instant>>);

impl<T> Default for TtlSet<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Eq + Hash> TtlSet<T> {
    /// Whether the entry was inserted within the last hour.
    pub(crate) fn contains(&self, entry: &T) -> bool {
        let inserted = self.0.lock().get(entry).copied();
        inserted.is_some_and(|inserted| inserted.elapsed() < TTL)
    }

    /// Inserts or renews an entry.
    pub(crate) fn insert(&self, entry: T) {
        self.0.lock().insert(entry, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_expires_after_an_hour() {
        let set = TtlSet::default();
        assert!(!set.contains(&"a"));
        set.insert("a");
        assert!(set.contains(&"a") && !set.contains(&"b"));
        let before = Instant::now().checked_sub(TTL).unwrap();
        set.0.lock().insert("a", before);
        assert!(!set.contains(&"a"));
    }
}

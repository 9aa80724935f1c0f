//! A mutex for each key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

/// A mutex for each key; it exists as long as somebody holds it or waits for it.
pub(crate) struct KeyedMutex<K>(Mutex<HashMap<K, Weak<AsyncMutex<()>>>>);

impl<K> Default for KeyedMutex<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> KeyedMutex<K> {
    /// The mutex of this key.
    pub(crate) fn get(&self, key: &K) -> Arc<AsyncMutex<()>> {
        let mut mutexes = self.0.lock();
        if let Some(mutex) = mutexes.get(key).and_then(Weak::upgrade) {
            return mutex;
        }
        mutexes.retain(|_, mutex| mutex.strong_count() > 0);
        let mutex = Arc::new(AsyncMutex::new(()));
        mutexes.insert(key.clone(), Arc::downgrade(&mutex));
        mutex
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_has_the_same_mutex_while_somebody_holds_it() {
        let mutexes = KeyedMutex::default();
        let first = mutexes.get(&"a");
        assert!(Arc::ptr_eq(&first, &mutexes.get(&"a")));
        assert!(!Arc::ptr_eq(&first, &mutexes.get(&"b")));
        drop(first);
        mutexes.get(&"c");
        assert_eq!(mutexes.0.lock().len(), 1);
    }
}

//! One at a time for each key; what nobody waits for is forgotten.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Mutex as Turn;

/// A lock for each key.
pub(crate) struct Turns<K>(Mutex<HashMap<K, Weak<Turn<()>>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// The lock of this key.
    pub(crate) fn of(&self, key: &K) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::new(()));
        turns.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_has_the_same_lock_while_somebody_holds_it() {
        let turns = Turns::default();
        let first = turns.of(&"a");
        assert!(Arc::ptr_eq(&first, &turns.of(&"a")));
        assert!(!Arc::ptr_eq(&first, &turns.of(&"b")));
        drop(first);
        turns.of(&"c");
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}

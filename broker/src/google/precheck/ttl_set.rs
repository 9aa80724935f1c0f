//! What was good when it was last asked about, and is not asked about again for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a good answer counts.
const TRUSTED: Duration = Duration::from_hours(1);

/// Good answers, by what they are about.
pub(crate) struct Known<T>(Mutex<HashMap<T, Instant>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Eq + Hash> Known<T> {
    /// Whether the answer was good, and not long ago.
    pub(crate) fn has(&self, about: &T) -> bool {
        let seen = self.lock().get(about).copied();
        seen.is_some_and(|seen| seen.elapsed() < TRUSTED)
    }

    /// The answer is good.
    pub(crate) fn keep(&self, about: T) {
        self.lock().insert(about, Instant::now());
    }

    // Never held across an await.
    fn lock(&self) -> MutexGuard<'_, HashMap<T, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_answer_counts_for_an_hour_and_for_what_it_is_about() {
        let known = Known::default();
        assert!(!known.has(&"a"));
        known.keep("a");
        assert!(known.has(&"a") && !known.has(&"b"));
        let before = Instant::now().checked_sub(TRUSTED).unwrap();
        known.lock().insert("a", before);
        assert!(!known.has(&"a"));
    }
}

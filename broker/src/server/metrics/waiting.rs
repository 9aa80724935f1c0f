//! The pods that wait at their gate, and since when the oldest of them waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use namesake_service::gauge_value;
use parking_lot::Mutex;

use super::Declared;

/// How many pods that were created in a second wait.
type Pods = Arc<Mutex<BTreeMap<i64, usize>>>;

/// The pods that wait.
#[derive(Default)]
pub(super) struct Waiting(Pods);

impl Waiting {
    /// A pod that was created then waits until the guard is dropped.
    pub(super) fn begin(&self, created: Option<Timestamp>) -> WaitingGuard {
        let created = created.unwrap_or_else(Timestamp::now).as_second();
        *self.0.lock().entry(created).or_default() += 1;
        WaitingGuard {
            pods: Arc::clone(&self.0),
            created,
        }
    }

    /// Writes them into the metrics.
    pub(super) fn update(&self, declared: &Declared) {
        let pods = self.0.lock();
        let count = gauge_value(pods.values().sum::<usize>());
        declared.gates_waiting.set(count);
        let oldest = &declared.gate_oldest_wait_timestamp_seconds;
        oldest.clear();
        if let Some((&created, _)) = pods.first_key_value() {
            oldest.get_or_create(&[]).set(created);
        }
    }
}

/// One pod that waits.
#[derive(Debug)]
pub(crate) struct WaitingGuard {
    pods: Pods,
    created: i64,
}

impl Drop for WaitingGuard {
    fn drop(&mut self) {
        let mut pods = self.pods.lock();
        if let Some(count) = pods.get_mut(&self.created) {
            *count -= 1;
            if *count == 0 {
                pods.remove(&self.created);
            }
        }
    }
}

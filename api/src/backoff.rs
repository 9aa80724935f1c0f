//! How long a broken watch waits before it is started again.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use kube::runtime::watcher::DefaultBackoff;

/// Longest wait. Pods wait until an API server that is available again is noticed; kube's own limit of 30 s is for thousands of
/// controllers.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// kube's backoff of watches, with a limit.
#[derive(Default)]
pub struct WatchBackoff(DefaultBackoff);

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|wait| wait.min(LONGEST_WAIT))
    }
}

impl Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_limit_and_starts_again_after_a_reset() {
        let mut backoff = WatchBackoff::default();
        let waits: Vec<_> = backoff.by_ref().take(20).collect();
        assert!(waits[0] < Duration::from_secs(2), "{waits:?}");
        assert_eq!(waits.last(), Some(&LONGEST_WAIT));
        backoff.reset();
        assert!(backoff.next().unwrap() < Duration::from_secs(2));
    }
}

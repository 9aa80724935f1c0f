//! How long a broken watch waits before it is started again.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use kube::runtime::watcher::DefaultBackoff;

/// An API server that was away for minutes is noticed within so long when it is back: pods wait for
/// that. kube's own limit of half a minute is for controllers in their thousands.
const LONGEST: Duration = Duration::from_secs(5);

/// kube's backoff of watches, with a limit.
#[derive(Default)]
pub struct WatchBackoff(DefaultBackoff);

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|wait| wait.min(LONGEST))
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
    fn it_grows_to_its_limit_and_begins_anew() {
        let mut backoff = WatchBackoff::default();
        let waits: Vec<_> = backoff.by_ref().take(20).collect();
        assert!(waits[0] < Duration::from_secs(2), "{waits:?}");
        assert_eq!(waits.last(), Some(&LONGEST));
        backoff.reset();
        assert!(backoff.next().unwrap() < Duration::from_secs(2));
    }
}

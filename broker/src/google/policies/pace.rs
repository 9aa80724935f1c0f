//! How far apart the writes of one policy are: pure, the clock is given.

use std::time::Duration;

use namesake_gcp::Resource;
use tokio::time::Instant;

/// The pauses between two writes of a policy that is changed again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spacing {
    /// Google takes one update of a bucket in this time, and of a managed folder.
    pub storage: Duration,
    /// First pause, once several changes come in a row; it doubles with each write that did not lack for them.
    pub first: Duration,
    /// Longest pause. Google needs minutes to believe a change: nobody waits longer for this.
    pub longest: Duration,
}

impl Default for Spacing {
    fn default() -> Self {
        Self {
            storage: Duration::from_secs(1),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(16),
        }
    }
}

/// When the next write may begin. The longer changes keep coming, the more of them share a write.
#[derive(Debug)]
pub(super) struct Pace {
    spacing: Spacing,
    least: Duration,
    shared: bool,
    pause: Duration,
    last: Option<Instant>,
}

impl Pace {
    pub(super) fn of(resource: &Resource, spacing: Spacing) -> Self {
        let storage = matches!(
            resource,
            Resource::Bucket { .. } | Resource::ManagedFolder { .. }
        );
        Self {
            spacing,
            least: if storage {
                spacing.storage
            } else {
                Duration::ZERO
            },
            // The policy on a GSA is one identity's.
            shared: !matches!(resource, Resource::ServiceAccount { .. }),
            pause: Duration::ZERO,
            last: None,
        }
    }

    /// When what waits is next written.
    pub(super) fn next(&self) -> Instant {
        self.after(self.pause.max(self.least))
    }

    /// When a write may go out at all.
    pub(super) fn earliest(&self) -> Instant {
        self.after(self.least)
    }

    /// Changes are about to be written: they came one after the other, or during the last pause.
    pub(super) fn begins(&mut self, changes: usize) {
        if self.shared && (changes > 1 || self.last.is_some()) {
            let doubled = (self.pause * 2).max(self.spacing.first);
            self.pause = doubled.min(self.spacing.longest);
        } else if self.shared {
            self.pause = self.spacing.first;
        }
    }

    /// A write is over.
    pub(super) fn wrote(&mut self, now: Instant) {
        self.last = Some(now);
    }

    fn after(&self, pause: Duration) -> Instant {
        // Right away: a time that is over.
        self.last.map_or_else(Instant::now, |last| last + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Resource {
        Resource::Project { id: "p".into() }
    }

    /// Writes that so many changes need which come this far apart, when a write takes 100 ms.
    fn writes(resource: &Resource, changes: u32, apart: Duration) -> u32 {
        let start = Instant::now();
        let arrival = |n: u32| start + apart * n;
        let (mut pace, mut at, mut done, mut writes) =
            (Pace::of(resource, Spacing::default()), start, 0, 0);
        while done < changes {
            at = at.max(pace.next()).max(arrival(done));
            let waiting = (done..changes).take_while(|n| arrival(*n) <= at).count();
            pace.begins(waiting);
            at += Duration::from_millis(100);
            pace.wrote(at);
            done += u32::try_from(waiting).unwrap();
            writes += 1;
        }
        writes
    }

    #[test]
    fn a_thousand_changes_share_at_most_twenty_writes_however_fast_they_come() {
        for apart in [0, 1, 10, 50, 100, 140, 200] {
            let apart = Duration::from_millis(apart);
            let writes = writes(&project(), 1_000, apart);
            assert!(writes <= 20, "{writes} writes, {apart:?} apart");
        }
    }

    #[test]
    fn a_single_change_waits_for_nobody() {
        let pace = Pace::of(&project(), Spacing::default());
        assert!(pace.next() <= Instant::now());
    }

    #[test]
    fn a_bucket_is_written_once_a_second_at_most() {
        let bucket = Resource::Bucket { name: "b".into() };
        let mut pace = Pace::of(&bucket, Spacing::default());
        let now = Instant::now();
        pace.begins(1);
        pace.wrote(now);
        let second = Duration::from_secs(1);
        assert!(pace.next() >= now + second && pace.earliest() == now + second);
    }

    #[test]
    fn the_policy_on_an_account_of_its_own_needs_no_pause() {
        let account = Resource::ServiceAccount { email: "e".into() };
        let mut pace = Pace::of(&account, Spacing::default());
        let now = Instant::now();
        for _ in 0..5 {
            pace.begins(3);
            pace.wrote(now);
        }
        assert_eq!(pace.next(), now);
    }
}

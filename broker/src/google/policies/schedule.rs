//! When a policy is written: pure, the clock is given.

use std::time::Duration;

use namesake_gcp::Resource;
use tokio::time::Instant;

/// Pauses between writes of a policy that keeps changing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteSpacing {
    /// Google accepts one update of a bucket or managed folder in this time.
    pub storage: Duration,
    /// First pause, once several changes arrive in a row; it doubles with each further write.
    pub first: Duration,
    /// Longest pause. Google needs minutes to distribute a change anyway.
    pub longest: Duration,
}

impl Default for WriteSpacing {
    fn default() -> Self {
        Self {
            storage: Duration::from_secs(1),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(16),
        }
    }
}

/// When the next write may begin. The longer changes keep arriving, the more of them share a write.
#[derive(Debug)]
pub(super) struct WriteSchedule {
    spacing: WriteSpacing,
    least: Duration,
    shared: bool,
    pause: Duration,
    last: Option<Instant>,
}

impl WriteSchedule {
    pub(super) fn new(resource: &Resource, spacing: WriteSpacing) -> Self {
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
            // The policy of a GSA belongs to one identity.
            shared: !matches!(resource, Resource::ServiceAccount { .. }),
            pause: Duration::ZERO,
            last: None,
        }
    }

    /// When the queued changes are written.
    pub(super) fn next(&self) -> Instant {
        self.after(self.pause.max(self.least))
    }

    /// When Google accepts the next write.
    pub(super) fn earliest(&self) -> Instant {
        self.after(self.least)
    }

    /// A write of so many changes is about to begin.
    pub(super) fn begin(&mut self, changes: usize) {
        if self.shared && (changes > 1 || self.last.is_some()) {
            let doubled = (self.pause * 2).max(self.spacing.first);
            self.pause = doubled.min(self.spacing.longest);
        } else if self.shared {
            self.pause = self.spacing.first;
        }
    }

    /// A write has ended.
    pub(super) fn wrote(&mut self, now: Instant) {
        self.last = Some(now);
    }

    fn after(&self, pause: Duration) -> Instant {
        // Before the first write: at once.
        self.last.map_or_else(Instant::now, |last| last + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Resource {
        Resource::Project { id: "p".into() }
    }

    /// How many writes so many changes need that arrive `apart`, when a write takes 100 ms.
    fn writes(resource: &Resource, changes: u32, apart: Duration) -> u32 {
        let start = Instant::now();
        let arrival = |n: u32| start + apart * n;
        let (mut schedule, mut at, mut done, mut writes) = (
            WriteSchedule::new(resource, WriteSpacing::default()),
            start,
            0,
            0,
        );
        while done < changes {
            at = at.max(schedule.next()).max(arrival(done));
            let waiting = (done..changes).take_while(|n| arrival(*n) <= at).count();
            schedule.begin(waiting);
            at += Duration::from_millis(100);
            schedule.wrote(at);
            done += u32::try_from(waiting).unwrap();
            writes += 1;
        }
        writes
    }

    #[test]
    fn a_thousand_changes_share_at_most_twenty_writes_however_fast_they_arrive() {
        for apart in [0, 1, 10, 50, 100, 140, 200] {
            let apart = Duration::from_millis(apart);
            let writes = writes(&project(), 1_000, apart);
            assert!(writes <= 20, "{writes} writes, {apart:?} apart");
        }
    }

    #[test]
    fn a_single_change_is_written_at_once() {
        let schedule = WriteSchedule::new(&project(), WriteSpacing::default());
        assert!(schedule.next() <= Instant::now());
    }

    #[test]
    fn a_bucket_is_written_once_a_second_at_most() {
        let bucket = Resource::Bucket { name: "b".into() };
        let mut schedule = WriteSchedule::new(&bucket, WriteSpacing::default());
        let now = Instant::now();
        schedule.begin(1);
        schedule.wrote(now);
        let second = Duration::from_secs(1);
        assert!(schedule.next() >= now + second && schedule.earliest() == now + second);
    }

    #[test]
    fn the_policy_on_an_account_of_its_own_needs_no_pause() {
        let account = Resource::ServiceAccount { email: "e".into() };
        let mut schedule = WriteSchedule::new(&account, WriteSpacing::default());
        let now = Instant::now();
        for _ in 0..5 {
            schedule.begin(3);
            schedule.wrote(now);
        }
        assert_eq!(schedule.next(), now);
    }
}

//! When working identities are checked for drift: pure, the clock is given. However many there are, the checks keep within a budget
//! of reads per minute, so that Google's quota is left for people who wait.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Time between two checks of one identity: `least`, or as long as the budget needs for all of them.
#[must_use]
pub fn period(least: Duration, identities: usize, reads_each: u32, per_minute: u32) -> Duration {
    let reads =
        f64::from(reads_each.max(1)) * f64::from(u32::try_from(identities).unwrap_or(u32::MAX));
    let minutes = reads / f64::from(per_minute.max(1));
    least.max(Duration::from_secs_f64(minutes * 60.0))
}

/// Splits the budget: reads per minute for checks of single identities, and for lists of all accounts, which are rare and long.
#[must_use]
pub fn shares(per_minute: u32) -> (u32, u32) {
    let lists = (per_minute / 5).max(1);
    (per_minute.saturating_sub(lists).max(1), lists)
}

/// Spaces checks: after a check of so many reads the next one waits for as long as the budget needs for them.
#[derive(Debug)]
pub struct DriftBudget {
    per_minute: u32,
    next: Mutex<Option<Instant>>,
}

impl DriftBudget {
    /// At most so many reads a minute.
    #[must_use]
    pub fn per_minute(per_minute: u32) -> Self {
        Self {
            per_minute: per_minute.max(1),
            next: Mutex::default(),
        }
    }

    /// The budget, in reads a minute.
    pub fn reads_per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Reserves a turn for a check of so many reads. Returns how long until then.
    pub fn reserve(&self, reads: u32, now: Instant) -> Duration {
        let mut next = self.next.lock();
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + Duration::from_mins(1) * reads.max(1) / self.per_minute);
        turn - now
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;

    #[test]
    fn a_few_identities_are_checked_every_hour_and_many_as_the_budget_allows() {
        let hour = Duration::from_hours(1);
        assert_eq!(period(hour, 100, 3, 600), hour);
        assert_eq!(period(hour, 0, 3, 600), hour);
        let many = period(hour, 50_000, 3, 600);
        assert_eq!(many, Duration::from_mins(250));
    }

    #[test]
    fn the_shares_add_up_to_the_budget() {
        assert_eq!(shares(600), (480, 120));
        assert_eq!(shares(1), (1, 1));
    }

    /// Fifty thousand identities, each checked periodically from a random time on, over six hours of simulated time.
    #[test]
    fn fifty_thousand_identities_cost_no_more_reads_in_any_minute_than_the_budget() {
        let (identities, reads, budget) = (50_000_usize, 3, 600);
        let (start, drift_budget) = (Instant::now(), DriftBudget::per_minute(budget));
        let every = period(Duration::from_hours(1), identities, reads, budget);
        let due = |n: usize| {
            // Spread by something like a hash of the UID.
            let at = u32::try_from(n.wrapping_mul(2_654_435_761) % identities).unwrap();
            start + every.mul_f64(f64::from(at) / 50_000.0)
        };
        let mut queue: BinaryHeap<_> = (0..identities)
            .map(|n| Reverse((due(n), n, false)))
            .collect();
        let mut minutes = [0_u32; 360];
        let mut checked = vec![false; identities];
        while let Some(Reverse((now, n, reserved))) = queue.pop() {
            let minute = usize::try_from((now - start).as_secs() / 60).unwrap();
            let Some(count) = minutes.get_mut(minute) else {
                break;
            };
            let wait = if reserved {
                Duration::ZERO
            } else {
                drift_budget.reserve(reads, now)
            };
            if wait.is_zero() {
                *count += reads;
                checked[n] = true;
                queue.push(Reverse((now + every, n, false)));
            } else {
                queue.push(Reverse((now + wait, n, true)));
            }
        }
        let busiest = minutes.iter().max().copied().unwrap_or_default();
        assert!(busiest <= budget + reads, "{busiest} reads in a minute");
        assert!(
            checked.iter().all(|checked| *checked),
            "one was never checked"
        );
    }
}

//! When identities that work are looked at again: pure, the clock is given. However many there are, the reads per minute that
//! looking costs stay within a budget, so that Google's quota is left for people who wait.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Between two looks at one identity: as agreed, or as long as it takes for all of them to have their turn.
#[must_use]
pub fn period(agreed: Duration, identities: usize, reads_each: u32, per_minute: u32) -> Duration {
    let reads =
        f64::from(reads_each.max(1)) * f64::from(u32::try_from(identities).unwrap_or(u32::MAX));
    let minutes = reads / f64::from(per_minute.max(1));
    agreed.max(Duration::from_secs_f64(minutes * 60.0))
}

/// Of the reads in a minute that Google may be looked at with: those for single identities, and those for lists of all
/// accounts, which come seldom and are long.
#[must_use]
pub fn shares(per_minute: u32) -> (u32, u32) {
    let lists = (per_minute / 5).max(1);
    (per_minute.saturating_sub(lists).max(1), lists)
}

/// Spaces looks out: one look of so many reads makes the next one wait for as long as the budget needs for them.
#[derive(Debug)]
pub struct Looks {
    per_minute: u32,
    next: Mutex<Option<Instant>>,
}

impl Looks {
    /// At most so many reads a minute.
    #[must_use]
    pub fn per_minute(per_minute: u32) -> Self {
        Self {
            per_minute: per_minute.max(1),
            next: Mutex::default(),
        }
    }

    /// Reads a minute, at most.
    pub fn rate(&self) -> u32 {
        self.per_minute
    }

    /// Reserves a turn for a look of so many reads; it comes in this time.
    pub fn turn(&self, reads: u32, now: Instant) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn a_few_identities_are_looked_at_as_agreed_and_many_as_the_budget_allows() {
        let hour = Duration::from_hours(1);
        assert_eq!(period(hour, 100, 3, 600), hour);
        assert_eq!(period(hour, 0, 3, 600), hour);
        let many = period(hour, 50_000, 3, 600);
        assert_eq!(many, Duration::from_mins(250));
    }

    #[test]
    fn the_shares_are_no_more_than_the_whole() {
        assert_eq!(shares(600), (480, 120));
        assert_eq!(shares(1), (1, 1));
    }

    /// Fifty thousand identities, each with a rhythm of its own that began at random, over six hours of simulated time.
    #[test]
    fn fifty_thousand_identities_cost_no_more_reads_in_any_minute_than_the_budget() {
        let (identities, reads, budget) = (50_000_usize, 3, 600);
        let (start, looks) = (Instant::now(), Looks::per_minute(budget));
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
        let mut looked = vec![false; identities];
        while let Some(Reverse((now, n, reserved))) = queue.pop() {
            let minute = usize::try_from((now - start).as_secs() / 60).unwrap();
            let Some(count) = minutes.get_mut(minute) else {
                break;
            };
            let wait = if reserved {
                Duration::ZERO
            } else {
                looks.turn(reads, now)
            };
            if wait.is_zero() {
                *count += reads;
                looked[n] = true;
                queue.push(Reverse((now + every, n, false)));
            } else {
                queue.push(Reverse((now + wait, n, true)));
            }
        }
        let busiest = minutes.iter().max().copied().unwrap_or_default();
        assert!(busiest <= budget + reads, "{busiest} reads in a minute");
        assert!(
            looked.iter().all(|looked| *looked),
            "one was never looked at"
        );
    }
}

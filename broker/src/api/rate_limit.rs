//! How many new identities one user may have in a minute: a token bucket for each user. Pure; the time is an argument.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

/// From this many users on, full buckets are deleted.
const MOST_USERS: usize = 1024;

/// Time in which an empty bucket becomes full.
const MINUTE: Duration = Duration::from_mins(1);

/// A bucket for each user.
#[derive(Debug)]
pub struct UserRateLimits {
    per_minute: u32,
    /// When each bucket will be full. A full one need not be stored.
    full_at: HashMap<String, Timestamp>,
}

impl UserRateLimits {
    /// Buckets of `per_minute` tokens, which refill within a minute.
    #[must_use]
    pub fn per_minute(per_minute: u32) -> Self {
        Self {
            per_minute,
            full_at: HashMap::new(),
        }
    }

    /// New identities that one user may have in a minute.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.per_minute
    }

    /// Takes one token from a user's bucket.
    ///
    /// # Errors
    /// The time until there is a token.
    pub fn take(&mut self, user: &str, now: Timestamp) -> Result<(), Duration> {
        let each = MINUTE.checked_div(self.per_minute).ok_or(MINUTE)?;
        if self.full_at.len() >= MOST_USERS {
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        let until_full = self.full_at.get(user).map(|at| at.duration_since(now));
        let until_full = until_full.and_then(|time| Duration::try_from(time).ok());
        // After a clock went back: as if the bucket were empty.
        let until_full = until_full.unwrap_or_default().min(MINUTE) + each;
        if until_full > MINUTE {
            return Err(until_full - MINUTE);
        }
        let full_at = now.saturating_add(until_full).unwrap_or(Timestamp::MAX);
        self.full_at.insert(user.to_owned(), full_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_user_gets_the_limit_at_once_and_then_one_by_one() {
        let mut limits = UserRateLimits::per_minute(6);
        for _ in 0..6 {
            limits.take("alice", at(0)).unwrap();
        }
        assert_eq!(limits.take("alice", at(0)), Err(Duration::from_secs(10)));
        assert!(limits.take("alice", at(9)).is_err());
        limits.take("alice", at(10)).unwrap();
        assert!(limits.take("alice", at(10)).is_err());
    }

    #[test]
    fn users_do_not_share_a_bucket() {
        let mut limits = UserRateLimits::per_minute(1);
        limits.take("alice", at(0)).unwrap();
        limits.take("bob", at(0)).unwrap();
        assert!(limits.take("alice", at(1)).is_err());
    }

    #[test]
    fn a_clock_that_goes_back_refills_nothing() {
        let mut limits = UserRateLimits::per_minute(1);
        limits.take("alice", at(100)).unwrap();
        assert!(limits.take("alice", at(0)).is_err());
    }

    #[test]
    fn with_a_limit_of_zero_nobody_gets_an_identity() {
        assert!(UserRateLimits::per_minute(0).take("alice", at(0)).is_err());
    }

    #[test]
    fn full_buckets_are_deleted() {
        let mut limits = UserRateLimits::per_minute(10);
        for user in 0..MOST_USERS {
            limits.take(&user.to_string(), at(0)).unwrap();
        }
        limits.take("late", at(60)).unwrap();
        assert_eq!(limits.full_at.len(), 1);
    }
}

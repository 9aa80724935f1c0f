//! How many new identities one user may have in a minute: a token bucket for each user. Pure; the time is an argument.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

/// From this many users on, full buckets are deleted.
const MOST_USERS: usize = 1024;

/// A bucket for each user. A full bucket need not be stored.
#[derive(Debug)]
pub struct UserRateLimits {
    per_minute: u32,
    buckets: HashMap<String, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl UserRateLimits {
    /// Buckets of `per_minute` tokens, which refill within a minute.
    #[must_use]
    pub fn per_minute(per_minute: u32) -> Self {
        Self {
            per_minute,
            buckets: HashMap::new(),
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
        let capacity = f64::from(self.per_minute);
        let per_second = capacity / 60.0;
        let tokens_now = |bucket: &Bucket| {
            let seconds = now.duration_since(bucket.at).as_secs_f64().max(0.0);
            (bucket.tokens + per_second * seconds).min(capacity)
        };
        if self.buckets.len() >= MOST_USERS {
            self.buckets
                .retain(|_, bucket| tokens_now(bucket) < capacity);
        }
        let tokens = self.buckets.get(user).map_or(capacity, tokens_now);
        let is_taken = tokens >= 1.0;
        let bucket = Bucket {
            tokens: if is_taken { tokens - 1.0 } else { tokens },
            at: now,
        };
        self.buckets.insert(user.to_owned(), bucket);
        if is_taken {
            return Ok(());
        }
        let wait = if per_second > 0.0 {
            (1.0 - tokens) / per_second
        } else {
            60.0
        };
        Err(Duration::from_secs_f64(wait))
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
        assert_eq!(limits.buckets.len(), 1);
    }
}

//! How many new identities one user may have in a minute: a token bucket for each user. Pure; the time is an argument.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

/// Users remembered at most before full buckets are forgotten.
const REMEMBERED: usize = 1024;

/// One bucket for each user; a bucket nobody took from is full and need not be kept.
#[derive(Debug)]
pub struct Buckets {
    per_minute: u32,
    buckets: HashMap<String, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Buckets {
    /// Buckets that hold `per_minute` tokens and win them back in a minute.
    #[must_use]
    pub fn per_minute(per_minute: u32) -> Self {
        Self {
            per_minute,
            buckets: HashMap::new(),
        }
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.per_minute
    }

    /// Takes one token of this user.
    ///
    /// # Errors
    /// The time until there is one.
    pub fn take(&mut self, user: &str, now: Timestamp) -> Result<(), Duration> {
        let (full, rate) = (
            f64::from(self.per_minute),
            f64::from(self.per_minute) / 60.0,
        );
        let fill = |b: &Bucket| {
            (b.tokens + rate * now.duration_since(b.at).as_secs_f64().max(0.0)).min(full)
        };
        if self.buckets.len() >= REMEMBERED {
            self.buckets.retain(|_, bucket| fill(bucket) < full);
        }
        let tokens = self.buckets.get(user).map_or(full, fill);
        let taken = tokens >= 1.0;
        let left = if taken { tokens - 1.0 } else { tokens };
        self.buckets.insert(
            user.to_owned(),
            Bucket {
                tokens: left,
                at: now,
            },
        );
        if taken {
            return Ok(());
        }
        let missing = if rate > 0.0 {
            (1.0 - tokens) / rate
        } else {
            60.0
        };
        Err(Duration::from_secs_f64(missing))
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
        let mut buckets = Buckets::per_minute(6);
        for _ in 0..6 {
            buckets.take("alice", at(0)).unwrap();
        }
        assert_eq!(buckets.take("alice", at(0)), Err(Duration::from_secs(10)));
        assert!(buckets.take("alice", at(9)).is_err());
        buckets.take("alice", at(10)).unwrap();
        assert!(buckets.take("alice", at(10)).is_err());
    }

    #[test]
    fn users_do_not_share_a_bucket() {
        let mut buckets = Buckets::per_minute(1);
        buckets.take("alice", at(0)).unwrap();
        buckets.take("bob", at(0)).unwrap();
        assert!(buckets.take("alice", at(1)).is_err());
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let mut buckets = Buckets::per_minute(1);
        buckets.take("alice", at(100)).unwrap();
        assert!(buckets.take("alice", at(0)).is_err());
    }

    #[test]
    fn a_limit_of_zero_lets_nobody_in() {
        assert!(Buckets::per_minute(0).take("alice", at(0)).is_err());
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let mut buckets = Buckets::per_minute(10);
        for user in 0..REMEMBERED {
            buckets.take(&user.to_string(), at(0)).unwrap();
        }
        buckets.take("late", at(60)).unwrap();
        assert_eq!(buckets.buckets.len(), 1);
    }
}

//! How fast we may send requests: a token bucket for each rate that Google counts, per project, pool or bucket. All clones
//! of a client share them, so that when Google asks one call to wait, all calls of the same rate wait.

mod limits;
mod rate;
mod token_bucket;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Error;
use token_bucket::TokenBucket;

pub use limits::RateLimits;
pub use rate::Rate;
pub(crate) use rate::{Quota, exhausted_message};

/// The status of one rate.
#[derive(Clone, Debug, PartialEq)]
pub struct RateStatus {
    /// The rate.
    pub rate: Rate,
    /// The project, pool or bucket that it is counted for.
    pub consumer: String,
    /// Requests that may be sent at once now; if negative, so many requests wait.
    pub left: Option<f64>,
    /// How long Google asked to wait, from now on.
    pub paused: Duration,
}

/// The token buckets, by rate and consumer.
pub(crate) struct Rates {
    limits: RateLimits,
    buckets: Mutex<HashMap<(Rate, String), TokenBucket>>,
}

impl Rates {
    pub(crate) fn new(limits: RateLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            buckets: Mutex::default(),
        })
    }

    /// Takes a turn of each of these rates, or of none, and returns how long to wait until all have come. Turns that come
    /// after `patience` are not taken.
    ///
    /// # Errors
    /// The rate whose turn comes too late, and how long until then.
    pub(crate) fn take_turns(
        &self,
        rates: &[Rate],
        consumer: &str,
        patience: Duration,
    ) -> Result<Duration, (Rate, Duration)> {
        let now = Instant::now();
        let mut longest = Duration::ZERO;
        for (taken, &rate) in rates.iter().enumerate() {
            let quota = rate.of(consumer);
            let turn = self.with_tracked(quota, |bucket| bucket.take(now, patience));
            match turn.unwrap_or(Ok(Duration::ZERO)) {
                Ok(wait) => longest = longest.max(wait),
                Err(wait) => {
                    for rate in rates.iter().take(taken) {
                        self.with_tracked(rate.of(consumer), TokenBucket::give_back);
                    }
                    return Err((rate, wait));
                }
            }
        }
        Ok(longest)
    }

    /// Learns from an answer: to wait, or that the rate allows this request.
    pub(crate) fn learn<T>(&self, quota: Quota<'_>, answer: &Result<T, Error>) {
        let now = Instant::now();
        match answer {
            Err(Error::Throttled { retry_after, .. }) => {
                self.with(quota, |bucket| bucket.refused(now, *retry_after));
            }
            Ok(_) => {
                self.with_tracked(quota, |bucket| bucket.succeeded(now));
            }
            Err(_) => {}
        }
    }

    /// The status of every rate that has a bucket.
    pub(crate) fn statuses(&self) -> Vec<RateStatus> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock();
        let status = |((rate, consumer), bucket): (&(Rate, String), &mut TokenBucket)| {
            let (_, left, paused) = bucket.status(now);
            RateStatus {
                rate: *rate,
                consumer: consumer.clone(),
                left,
                paused,
            }
        };
        let mut all: Vec<_> = buckets.iter_mut().map(status).collect();
        all.sort_by(|a, b| (a.rate, &a.consumer).cmp(&(b.rate, &b.consumer)));
        all
    }

    /// As [`Self::with`], but a rate without a known limit gets a bucket only when it is refused, because there are many
    /// folders. The rates of projects always have one: projects are few, and their successful requests show how much is
    /// allowed.
    fn with_tracked<T>(
        &self,
        quota: Quota<'_>,
        f: impl FnOnce(&mut TokenBucket) -> T,
    ) -> Option<T> {
        let Quota { rate, consumer } = quota;
        let of_project = matches!(rate, Rate::Create | Rate::ProjectRead | Rate::ProjectWrite);
        if of_project || self.limits.of(rate).is_some() {
            return Some(self.with(quota, f));
        }
        let mut buckets = self.buckets.lock();
        buckets.get_mut(&(rate, consumer.to_owned())).map(f)
    }

    fn with<T>(&self, quota: Quota<'_>, f: impl FnOnce(&mut TokenBucket) -> T) -> T {
        let Quota { rate, consumer } = quota;
        let limit = self.limits.of(rate);
        let new = || match (rate, limit) {
            (Rate::Create, None) => {
                TokenBucket::assumed(self.limits.assumed_creates(), Instant::now())
            }
            _ => TokenBucket::new(limit, Instant::now()),
        };
        let mut buckets = self.buckets.lock();
        f(buckets
            .entry((rate, consumer.to_owned()))
            .or_insert_with(new))
    }
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

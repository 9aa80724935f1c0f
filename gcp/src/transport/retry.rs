//! Retries what may succeed later, with growing, jittered pauses, within a time limit.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::transport::rates::{Quota, Rates, exhausted_message};
use crate::{Error, Failure, Rate};

/// Longest wait for the answer to one request.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// Time that must be left for the answer when a request's turn comes.
const ANSWER_TIME: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Says whether we may still change things at Google. Called right before each request that does.
pub type Fence = Arc<dyn Fn() -> bool + Send + Sync>;

/// A request to Google that was answered or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The rate that it counts against.
    pub rate: Rate,
    /// `ok`, or the word of its error.
    pub outcome: &'static str,
    /// From when it was sent; what it waited for its turn does not count.
    pub took: Duration,
}

/// Called after each request.
pub type Observer = Arc<dyn Fn(Observation) + Send + Sync>;

/// The retries of one call: when to give up, and how long to pause next.
pub(crate) struct Retry {
    rates: Arc<Rates>,
    fence: Option<Fence>,
    observer: Option<Observer>,
    end: Instant,
    pause: Duration,
}

impl Retry {
    pub(crate) fn within(limit: Duration, rates: Arc<Rates>, fence: Option<Fence>) -> Self {
        let now = Instant::now();
        Self {
            rates,
            fence,
            observer: None,
            // A limit that overflows is as good as a day.
            end: now
                .checked_add(limit)
                .unwrap_or(now + Duration::from_secs(86_400)),
            pause: FIRST_PAUSE,
        }
    }

    /// Reports each request to `observer`.
    pub(crate) fn observed(self, observer: Option<Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Sends one request when its turn comes, with a timeout.
    pub(crate) async fn once<T>(
        &self,
        what: &str,
        quota: Quota<'_>,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.wait_for_turn(what, quota).await?;
        if quota.rate.writes() && self.fence.as_ref().is_some_and(|fence| !fence()) {
            let message = "this replica is not the leader any more";
            return Err(Error::Fenced(Failure::new(what, message)));
        }
        let sent = Instant::now();
        let end = self.end.min(sent + ATTEMPT_TIMEOUT);
        let answer = match timeout_at(end, request).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Unavailable(Failure::new(what, "no answer in time"))),
        };
        self.rates.learn(quota, &answer);
        if let Some(observer) = &self.observer {
            observer(Observation {
                rate: quota.rate,
                outcome: answer.as_ref().map_or_else(Error::as_str, |_| "ok"),
                took: sent.elapsed(),
            });
        }
        answer
    }

    /// Waits for a turn, unless it would leave no time for the answer. A creation is a write too, and waits for both.
    async fn wait_for_turn(&self, what: &str, quota: Quota<'_>) -> Result<(), Error> {
        let rates: &[Rate] = match quota.rate {
            Rate::Create => &[Rate::Create, Rate::Write],
            _ => &[quota.rate],
        };
        let left = self.end.saturating_duration_since(Instant::now());
        let patience = left.saturating_sub(ANSWER_TIME.min(left / 4));
        match self.rates.take_turns(rates, quota.consumer, patience) {
            Ok(wait) if wait.is_zero() => Ok(()),
            Ok(wait) => {
                sleep(wait).await;
                Ok(())
            }
            Err((rate, wait)) => {
                let message = exhausted_message(rate, quota.consumer);
                Err(Error::Queued {
                    failure: Failure::new(what, message),
                    wait,
                })
            }
        }
    }

    /// Pauses before the next attempt after `error`, as long as Google asks for, if it does. Returns the error if a retry
    /// does not help, or if the pause would end after the time limit.
    pub(crate) async fn pause_after(&mut self, error: Error) -> Result<(), Error> {
        if !error.is_retryable() {
            return Err(error);
        }
        let pause = match error.retry_after() {
            Some(wait) => wait + jitter(FIRST_PAUSE),
            None => jitter(self.pause),
        };
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        if Instant::now() + pause >= self.end {
            return Err(error);
        }
        tracing::debug!(%error, pause_ms = pause.as_millis(), "retrying after a pause");
        sleep(pause).await;
        Ok(())
    }

    /// Repeats a request, which must be idempotent, until it succeeds or a retry does not help.
    pub(crate) async fn idempotent<T, F>(
        &mut self,
        what: &str,
        quota: Quota<'_>,
        request: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        loop {
            match self.once(what, quota, request()).await {
                // Only the caller knows whether it is worth waiting for this one.
                Err(error @ Error::NotYetVisible(_)) => return Err(error),
                Err(error) => self.pause_after(error).await?,
                done => return done,
            }
        }
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("end", &self.end)
            .field("pause", &self.pause)
            .finish_non_exhaustive()
    }
}

/// Between half of `most` and all of it, so that replicas do not retry in step.
fn jitter(most: Duration) -> Duration {
    most.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_between_half_and_all() {
        let most = Duration::from_millis(1000);
        let all: Vec<_> = (0..100).map(|_| jitter(most)).collect();
        assert!(all.iter().all(|d| *d >= most / 2 && *d <= most));
        assert!(all.iter().any(|d| *d != all[0]));
    }

    #[tokio::test]
    async fn a_pause_that_would_end_after_the_time_limit_is_not_begun() {
        let error = Error::throttled(Failure::new("x", "y"), Some(Duration::from_secs(60)));
        let rates = Rates::new(crate::RateLimits::default());
        let mut retry = Retry::within(Duration::from_secs(30), rates, None);
        assert_eq!(retry.pause_after(error.clone()).await, Err(error));
    }
}

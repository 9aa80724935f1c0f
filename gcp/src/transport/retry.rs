//! Tries again what may pass by itself, with growing, jittered pauses, until a limit. Nothing waits for ever.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::transport::rates::{Rates, spent};
use crate::{Error, Failure, Rate};

/// Longest wait for the answer to one request.
const ATTEMPT: Duration = Duration::from_secs(15);
/// Time that is left for the answer when a turn has come.
const ANSWER: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Says whether we may still change things at Google: asked right before each request that does.
pub type Fence = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a request is counted as, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted<'a> {
    pub(crate) rate: Rate,
    pub(crate) whose: &'a str,
}

/// When to give up, and how long to pause next.
pub(crate) struct Retry {
    rates: Arc<Rates>,
    fence: Option<Fence>,
    end: Instant,
    pause: Duration,
}

impl Retry {
    pub(crate) fn within(limit: Duration, rates: Arc<Rates>, fence: Option<Fence>) -> Self {
        let now = Instant::now();
        Self {
            rates,
            fence,
            // An overflow means "practically for ever"; a day is that, too.
            end: now
                .checked_add(limit)
                .unwrap_or(now + Duration::from_secs(86_400)),
            pause: FIRST_PAUSE,
        }
    }

    /// One request when it is its turn, bounded.
    pub(crate) async fn once<T>(
        &self,
        what: &str,
        counted: Counted<'_>,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.turn(what, counted).await?;
        let Counted { rate, whose } = counted;
        if rate.writes() && self.fence.as_ref().is_some_and(|fence| !fence()) {
            return Err(Error::Fenced(failure(
                what,
                "this replica does not lead any more",
            )));
        }
        let end = self.end.min(Instant::now() + ATTEMPT);
        let late = |_| Err(Error::Unavailable(failure(what, "no answer in time")));
        let done = timeout_at(end, request).await.unwrap_or_else(late);
        self.rates.learn(rate, whose, &done);
        done
    }

    /// Waits for a turn; for a creation also for that of a write, which it is as well. One that leaves no time for the answer
    /// is not taken.
    async fn turn(&self, what: &str, Counted { rate, whose }: Counted<'_>) -> Result<(), Error> {
        let rates: &[Rate] = if rate == Rate::Create {
            &[Rate::Create, Rate::Write]
        } else {
            &[rate]
        };
        let left = self.end.saturating_duration_since(Instant::now());
        let patience = left.saturating_sub(ANSWER.min(left / 4));
        match self.rates.turns(rates, whose, patience) {
            Ok(wait) if wait.is_zero() => Ok(()),
            Ok(wait) => {
                sleep(wait).await;
                Ok(())
            }
            Err((rate, turn)) => Err(Error::Queued {
                failure: failure(what, &spent(rate, whose)),
                turn,
            }),
        }
    }

    /// Pauses before the next attempt after `error`; as long as Google says, if it does. Gives the error back when
    /// it is none that passes by itself, or when the pause would end after the limit.
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
        tracing::debug!(%error, pause_ms = pause.as_millis(), "trying again");
        sleep(pause).await;
        Ok(())
    }

    /// Repeats a request that does no harm when it is repeated.
    pub(crate) async fn idempotent<T, F>(
        &mut self,
        what: &str,
        counted: Counted<'_>,
        request: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        loop {
            match self.once(what, counted, request()).await {
                // Only the caller knows whether it is worth waiting for this one.
                Err(error @ Error::NotYetVisible(_)) => return Err(error),
                Err(error) => self.pause_after(error).await?,
                done => return done,
            }
        }
    }
}

fn failure(what: &str, message: &str) -> Failure {
    Failure {
        what: what.to_owned(),
        message: message.to_owned(),
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

/// Between half of `most` and all of it, so that replicas do not march in step.
fn jitter(most: Duration) -> Duration {
    // Every RandomState has its own random keys.
    let random = RandomState::new().hash_one(0) % 1000;
    most / 2 + most / 2 * u32::try_from(random).unwrap_or(0) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_between_half_and_all() {
        let most = Duration::from_millis(1000);
        let all: Vec<_> = (0..100).map(|_| jitter(most)).collect();
        assert!(all.iter().all(|d| *d >= most / 2 && *d <= most));
        assert!(all.iter().any(|d| *d != all[0]));
    }

    #[tokio::test]
    async fn a_wait_beyond_the_limit_is_not_begun() {
        let failure = Failure {
            what: "x".to_owned(),
            message: "y".to_owned(),
        };
        let error = Error::throttled(failure, Some(Duration::from_secs(60)));
        let rates = Rates::new(crate::PerMinute::default());
        let mut retry = Retry::within(Duration::from_secs(30), rates, None);
        assert_eq!(retry.pause_after(error.clone()).await, Err(error));
    }
}

//! A token bucket for one rate. Pure: the time is an argument.
//!
//! A request whose turn has not come yet takes its token in advance, so that later requests wait longer, in order. A rate
//! that Google does not publish is learned from its refusals.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
/// Pause after a refusal that does not say how long to wait.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// A learned rate is raised after this time without a refusal.
const RAISE_PERIOD: Duration = Duration::from_secs(600);
const RAISE_FACTOR: f64 = 1.1;
/// A learned rate is never lower than this per minute: the refusals may be due to the requests of others.
const MIN_RATE: f64 = 5.0;

/// The turns of one rate.
#[derive(Debug)]
pub(super) struct TokenBucket {
    limit: Option<Limit>,
    /// Google asked to wait until then.
    paused_until: Option<Instant>,
    /// Whether the rate is learned from refusals.
    is_learned: bool,
    /// Successful requests of the last minute, for a learned rate.
    recent: VecDeque<Instant>,
    /// A learned rate is never raised above this per minute.
    max_rate: f64,
    /// When a request was last refused, or the rate raised.
    last_change: Instant,
    last_lowered: Option<Instant>,
}

#[derive(Debug)]
struct Limit {
    per_minute: f64,
    capacity: f64,
    /// Tokens left; negative if requests wait.
    level: f64,
    filled_at: Instant,
}

impl TokenBucket {
    /// A full bucket for a published rate; `None` for a rate without a limit until a request is refused.
    pub(super) fn new(per_minute: Option<u32>, now: Instant) -> Self {
        let limit = |n: u32| {
            let n = f64::from(n.max(1));
            Limit {
                per_minute: n,
                capacity: n,
                level: n,
                filled_at: now,
            }
        };
        Self {
            limit: per_minute.map(limit),
            paused_until: None,
            is_learned: per_minute.is_none(),
            recent: VecDeque::new(),
            max_rate: f64::INFINITY,
            last_change: now,
            last_lowered: None,
        }
    }

    /// A full bucket for a rate that is assumed until a request is refused.
    pub(super) fn assumed(per_minute: u32, now: Instant) -> Self {
        Self {
            is_learned: true,
            max_rate: f64::from(per_minute),
            ..Self::new(Some(per_minute), now)
        }
    }

    /// Takes a turn that comes within `patience`, and returns how long until then.
    ///
    /// # Errors
    /// How long it would be; nothing is taken then.
    pub(super) fn take(&mut self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        self.raise_learned_rate(now);
        let paused = self.paused(now);
        let wait = match &mut self.limit {
            None => paused,
            Some(limit) => limit.wait(now).max(paused),
        };
        if wait > patience {
            return Err(wait);
        }
        if let Some(limit) = &mut self.limit {
            limit.level -= 1.0;
        }
        Ok(wait)
    }

    /// Returns a turn that was taken but not used.
    pub(super) fn give_back(&mut self) {
        if let Some(limit) = &mut self.limit {
            limit.level += 1.0;
        }
    }

    /// Records a successful request.
    pub(super) fn succeeded(&mut self, now: Instant) {
        if self.is_learned {
            self.recent.push_back(now);
            self.forget_old(now);
        }
    }

    /// Records that Google refused a request as one too many, and how long it asked to wait.
    pub(super) fn refused(&mut self, now: Instant, wait: Option<Duration>) {
        let until = now + wait.unwrap_or(DEFAULT_PAUSE);
        self.paused_until = self.paused_until.max(Some(until));
        if self.is_learned {
            self.lower_learned_rate(now);
        } else if let Some(limit) = &mut self.limit {
            limit.fill(now);
            limit.level = limit.level.min(0.0);
        }
    }

    /// Requests per minute, tokens left, and how long Google asked to wait from now on.
    pub(super) fn status(&mut self, now: Instant) -> (Option<f64>, Option<f64>, Duration) {
        if let Some(limit) = &mut self.limit {
            limit.fill(now);
        }
        let limit = self.limit.as_ref();
        let (per_minute, left) = (limit.map(|l| l.per_minute), limit.map(|l| l.level));
        (per_minute, left, self.paused(now))
    }

    fn paused(&self, now: Instant) -> Duration {
        self.paused_until
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    // The learned rate is the number of successes in the minute before the first refusal. Requests in flight are refused
    // together, and others may have used up the quota, so the rate is lowered at most once a minute, and at most by half.
    fn lower_learned_rate(&mut self, now: Instant) {
        self.last_change = now;
        self.forget_old(now);
        let successes = f64::from(u32::try_from(self.recent.len()).unwrap_or(u32::MAX));
        let just_lowered = self
            .last_lowered
            .is_some_and(|at| now.saturating_duration_since(at) < MINUTE);
        let per_minute = match &self.limit {
            // Nothing is known about the rate yet: only pause.
            None if self.recent.is_empty() => return,
            None => successes,
            Some(limit) if just_lowered => limit.per_minute,
            Some(limit) => successes.clamp(limit.per_minute / 2.0, limit.per_minute),
        };
        let per_minute = per_minute.max(MIN_RATE);
        let before = self.limit.as_ref().map(|limit| limit.per_minute);
        if before.is_none_or(|before| per_minute < before) {
            self.last_lowered = Some(now);
        }
        self.limit = Some(Limit {
            per_minute,
            // Small, because a burst of saved-up tokens would exceed the rate.
            capacity: (per_minute / 10.0).max(1.0),
            level: 1.0,
            filled_at: now,
        });
    }

    fn raise_learned_rate(&mut self, now: Instant) {
        if !self.is_learned || now.saturating_duration_since(self.last_change) < RAISE_PERIOD {
            return;
        }
        self.last_change = now;
        if let Some(limit) = &mut self.limit {
            let higher = (limit.per_minute * RAISE_FACTOR).max(limit.per_minute + 1.0);
            limit.per_minute = higher.min(self.max_rate).max(limit.per_minute);
        }
    }

    fn forget_old(&mut self, now: Instant) {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= MINUTE;
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
    }
}

impl Limit {
    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.level = (self.level + passed * self.per_minute / 60.0).min(self.capacity);
        self.filled_at = now;
    }

    /// How long until the next turn.
    fn wait(&mut self, now: Instant) -> Duration {
        self.fill(now);
        let missing = (1.0 - self.level).max(0.0);
        Duration::try_from_secs_f64(missing * 60.0 / self.per_minute).unwrap_or(MINUTE)
    }
}

#[cfg(test)]
mod tests;

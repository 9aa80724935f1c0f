//! Time as the emulator sees it: injectable, and moved forward only by request.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Two clocks over one source. The first drives IAM (propagation, quotas, retention, conditions); the
/// second drives the lifetimes of tokens, so that a test that lets seven minutes of propagation pass does not
/// expire the tokens that real clients hold by their own clocks.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<Source>>);

#[derive(Debug)]
struct Source {
    /// The instant at which a fixed clock stands; `None` follows the machine's clock.
    fixed: Option<Timestamp>,
    offset: SignedDuration,
    token_offset: SignedDuration,
}

impl Clock {
    /// Follows the machine's clock.
    pub fn system() -> Self {
        Self::new(None)
    }

    /// Stands still at `at` until it is advanced: for tests.
    pub fn fixed(at: Timestamp) -> Self {
        Self::new(Some(at))
    }

    fn new(fixed: Option<Timestamp>) -> Self {
        Self(Arc::new(Mutex::new(Source {
            fixed,
            offset: SignedDuration::ZERO,
            token_offset: SignedDuration::ZERO,
        })))
    }

    /// The instant for everything but tokens.
    pub fn now(&self) -> Timestamp {
        self.read(|source| source.offset)
    }

    /// The instant by which tokens are issued and judged.
    pub fn token_now(&self) -> Timestamp {
        self.read(|source| source.token_offset)
    }

    /// Moves [`Clock::now`] by `by`; it is never moved back.
    pub fn advance(&self, by: SignedDuration) {
        let mut source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        source.offset = source.offset.saturating_add(by.max(SignedDuration::ZERO));
    }

    /// Moves [`Clock::token_now`] by `by`, which may be negative (clock skew).
    pub fn advance_tokens(&self, by: SignedDuration) {
        let mut source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        source.token_offset = source.token_offset.saturating_add(by);
    }

    fn read(&self, offset: impl Fn(&Source) -> SignedDuration) -> Timestamp {
        let source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let base = source.fixed.unwrap_or_else(Timestamp::now);
        base.saturating_add(offset(&source)).unwrap_or(base)
    }
}

/// `seconds` before `now`.
pub(crate) fn ago(now: Timestamp, seconds: f64) -> Timestamp {
    let span = SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::ZERO);
    now.saturating_sub(span).unwrap_or(Timestamp::MIN)
}

/// Long before anything: seeded objects have been known everywhere since then.
pub(crate) fn long_ago(now: Timestamp) -> Timestamp {
    ago(now, 86_400.0 * 3_650.0)
}

/// RFC 3339 in whole seconds, as Google writes `expireTime`.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advancing_moves_iam_and_leaves_tokens_alone() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Clock::fixed(start);
        clock.advance(SignedDuration::from_secs(60));
        assert_eq!(rfc3339(clock.now()), "2026-01-01T00:01:00Z");
        assert_eq!(clock.token_now(), start);
        clock.advance(SignedDuration::from_secs(-60));
        assert_eq!(rfc3339(clock.now()), "2026-01-01T00:01:00Z");
        clock.advance_tokens(SignedDuration::from_secs(-5));
        assert_eq!(rfc3339(clock.token_now()), "2025-12-31T23:59:55Z");
    }
}

//! The emulator's clocks, which tests can fix and advance.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// Two clocks with one source: one for IAM (propagation, quotas, retention, conditions), the other for the lifetimes of
/// tokens. A test can let seven minutes of propagation pass without expiring the tokens of clients that go by their own
/// clocks.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<Source>>);

#[derive(Debug)]
struct Source {
    /// Where a fixed clock stands; `None` for the machine's clock.
    fixed: Option<Timestamp>,
    offset: SignedDuration,
    token_offset: SignedDuration,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::new(None)
    }

    /// A clock that stands at `at` until it is advanced.
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

    /// The time for everything but tokens.
    pub fn now(&self) -> Timestamp {
        self.read(|source| source.offset)
    }

    /// The time for issuing and checking tokens.
    pub fn token_now(&self) -> Timestamp {
        self.read(|source| source.token_offset)
    }

    /// Advances [`Clock::now`]; a negative duration does nothing.
    pub fn advance(&self, by: SignedDuration) {
        let mut source = self.0.lock();
        source.offset = source.offset.saturating_add(by.max(SignedDuration::ZERO));
    }

    /// Moves [`Clock::token_now`], forward or, for clock skew, backward.
    pub fn advance_tokens(&self, by: SignedDuration) {
        let mut source = self.0.lock();
        source.token_offset = source.token_offset.saturating_add(by);
    }

    fn read(&self, offset: impl Fn(&Source) -> SignedDuration) -> Timestamp {
        let source = self.0.lock();
        let base = source.fixed.unwrap_or_else(Timestamp::now);
        base.saturating_add(offset(&source)).unwrap_or(base)
    }
}

/// The time `seconds` before `now`.
pub(crate) fn ago(now: Timestamp, seconds: f64) -> Timestamp {
    let span = SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::ZERO);
    now.saturating_sub(span).unwrap_or(Timestamp::MIN)
}

/// Ten years ago: seeded objects exist since then, so that no propagation delay applies to them.
pub(crate) fn long_ago(now: Timestamp) -> Timestamp {
    ago(now, 86_400.0 * 3_650.0)
}

/// RFC 3339 with whole seconds, as Google formats `expireTime`.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advance_does_not_move_the_token_clock() {
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

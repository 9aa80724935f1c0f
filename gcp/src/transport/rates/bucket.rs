//! One token bucket: pure, the clock is given. Whoever takes a turn that is not there yet goes into its debt, so that
//! those who come later wait longer, and all of them in order.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
/// Pause after a refusal that names none.
const PAUSE: Duration = Duration::from_secs(1);
/// A rate that was found out is tried a little higher after this long without a refusal.
const GROWTH_PERIOD: Duration = Duration::from_secs(600);
const GROWTH: f64 = 1.1;
/// A rate is never found to be lower: a refusal may be for what others did.
const LEAST: f64 = 5.0;

/// Turns of one rate.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Option<Limit>,
    not_before: Option<Instant>,
    /// What went in the last minute, while the rate has to be found out.
    recent: VecDeque<Instant>,
    found_out: bool,
    /// It is never tried to be higher.
    most: f64,
    /// Of the last refusal, or try of a higher rate.
    since: Instant,
    /// When the rate was found to be lower.
    lowered: Option<Instant>,
}

#[derive(Debug)]
struct Limit {
    per_minute: f64,
    capacity: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket of so many turns a minute; none: unbounded until something is refused.
    pub(super) fn new(per_minute: Option<u32>, now: Instant) -> Self {
        let limit = |n: u32| {
            let n = f64::from(n.max(1));
            Limit {
                per_minute: n,
                capacity: n,
                level: n,
                at: now,
            }
        };
        Self {
            rate: per_minute.map(limit),
            not_before: None,
            recent: VecDeque::new(),
            found_out: per_minute.is_none(),
            most: f64::INFINITY,
            since: now,
            lowered: None,
        }
    }

    /// A full bucket of so many turns a minute, until something is refused: then it was too many.
    pub(super) fn assumed(per_minute: u32, now: Instant) -> Self {
        Self {
            found_out: true,
            most: f64::from(per_minute),
            ..Self::new(Some(per_minute), now)
        }
    }

    /// Takes a turn that comes within `patience`: how long until then.
    ///
    /// # Errors
    /// How long it would be; nothing is taken then.
    pub(super) fn take(&mut self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        self.grow(now);
        let paused = self
            .not_before
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let wait = match &mut self.rate {
            None => paused,
            Some(limit) => limit.wait(now).max(paused),
        };
        if wait > patience {
            return Err(wait);
        }
        if let Some(limit) = &mut self.rate {
            limit.level -= 1.0;
        }
        Ok(wait)
    }

    /// A turn that was taken is not used after all.
    pub(super) fn give_back(&mut self) {
        if let Some(limit) = &mut self.rate {
            limit.level += 1.0;
        }
    }

    /// A request went well.
    pub(super) fn went(&mut self, now: Instant) {
        if self.found_out {
            self.recent.push_back(now);
            self.forget(now);
        }
    }

    /// Google refused a request as one too many.
    pub(super) fn refused(&mut self, now: Instant, wait: Option<Duration>) {
        let until = now + wait.unwrap_or(PAUSE);
        self.not_before = Some(self.not_before.map_or(until, |at| at.max(until)));
        if self.found_out {
            self.lower(now);
        } else if let Some(limit) = &mut self.rate {
            limit.fill(now);
            limit.level = limit.level.min(0.0);
        }
    }

    // The rate is what went in the minute before the first refusal. Those under way are refused together, and others may have
    // used it up: once a minute at most it is lowered, and by half at most.
    fn lower(&mut self, now: Instant) {
        self.since = now;
        self.forget(now);
        let went = f64::from(u32::try_from(self.recent.len()).unwrap_or(u32::MAX));
        let lowered = |at: Instant| now.saturating_duration_since(at) < MINUTE;
        let per_minute = match &self.rate {
            // Nothing is known about it yet: the pause must do.
            None if self.recent.is_empty() => return,
            None => went,
            Some(limit) if self.lowered.is_some_and(lowered) => limit.per_minute,
            Some(limit) => went.clamp(limit.per_minute / 2.0, limit.per_minute),
        };
        let per_minute = per_minute.max(LEAST);
        if self.rate.as_ref().is_none_or(|l| per_minute < l.per_minute) {
            self.lowered = Some(now);
        }
        self.rate = Some(Limit {
            per_minute,
            // No bursts: what was saved up would be too much for the minute.
            capacity: (per_minute / 10.0).max(1.0),
            level: 1.0,
            at: now,
        });
    }

    /// Turns a minute, turns left, and how long Google made us wait.
    pub(super) fn standing(&mut self, now: Instant) -> (Option<f64>, Option<f64>, Duration) {
        let paused = self
            .not_before
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let limit = self.rate.as_mut().map(|limit| {
            limit.fill(now);
            (limit.per_minute, limit.level)
        });
        (limit.map(|(n, _)| n), limit.map(|(_, left)| left), paused)
    }

    fn grow(&mut self, now: Instant) {
        if !self.found_out || now.saturating_duration_since(self.since) < GROWTH_PERIOD {
            return;
        }
        self.since = now;
        if let Some(limit) = &mut self.rate {
            let higher = (limit.per_minute * GROWTH).max(limit.per_minute + 1.0);
            limit.per_minute = higher.min(self.most).max(limit.per_minute);
        }
    }

    fn forget(&mut self, now: Instant) {
        let old = |at: &Instant| now.saturating_duration_since(*at) >= MINUTE;
        while self.recent.front().is_some_and(old) {
            self.recent.pop_front();
        }
    }
}

impl Limit {
    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_minute / 60.0).min(self.capacity);
        self.at = now;
    }

    /// How long until the next turn.
    fn wait(&mut self, now: Instant) -> Duration {
        self.fill(now);
        let missing = (1.0 - self.level).max(0.0);
        Duration::try_from_secs_f64(missing * 60.0 / self.per_minute).unwrap_or(MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn what_is_over_the_minutes_turns_waits_in_order() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some(60), start);
        for _ in 0..60 {
            assert_eq!(bucket.take(start, LONG), Ok(Duration::ZERO));
        }
        for n in 1..=5 {
            let wait = bucket.take(start, LONG).unwrap();
            assert!(
                wait.abs_diff(seconds(n)) < Duration::from_millis(1),
                "{wait:?}"
            );
        }
    }

    #[test]
    fn a_turn_beyond_the_patience_is_not_taken() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some(1), start);
        assert_eq!(bucket.take(start, LONG), Ok(Duration::ZERO));
        for _ in 0..3 {
            let wait = bucket.take(start, seconds(30)).unwrap_err();
            assert!(
                wait.abs_diff(seconds(60)) < Duration::from_millis(1),
                "{wait:?}"
            );
        }
    }

    #[test]
    fn a_pause_holds_everybody_and_ends() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some(600), start);
        bucket.refused(start, Some(seconds(60)));
        // A shorter one that comes later does not end it sooner.
        bucket.refused(start, None);
        assert!(bucket.take(start + seconds(1), seconds(10)).is_err());
        let wait = bucket.take(start + seconds(1), LONG).unwrap();
        assert_eq!(wait, seconds(59));
        assert_eq!(bucket.take(start + seconds(61), LONG), Ok(Duration::ZERO));
    }

    #[test]
    fn an_assumed_rate_holds_until_something_is_refused_and_is_never_exceeded() {
        let start = Instant::now();
        let mut bucket = Bucket::assumed(30, start);
        let at_once = (0..40).filter(|_| bucket.take(start, Duration::ZERO).is_ok());
        assert_eq!(at_once.count(), 30);
        let later = start + GROWTH_PERIOD;
        (0..20).for_each(|_| bucket.went(later));
        assert_eq!(bucket.take(later, LONG), Ok(Duration::ZERO));
        assert_eq!(bucket.standing(later).0, Some(30.0));
        bucket.refused(later, None);
        assert_eq!(bucket.standing(later).0, Some(20.0));
        let much_later = later + 9 * GROWTH_PERIOD;
        for n in 1..=9 {
            let _ = bucket.take(later + n * GROWTH_PERIOD, LONG);
        }
        assert_eq!(bucket.standing(much_later).0, Some(30.0));
    }

    #[test]
    fn a_rate_that_google_does_not_say_is_found_out_from_the_first_refusal() {
        let start = Instant::now();
        let mut bucket = Bucket::new(None, start);
        for n in 0..30 {
            let now = start + seconds(n);
            assert_eq!(bucket.take(now, LONG), Ok(Duration::ZERO));
            bucket.went(now);
        }
        // Five under way are refused together.
        for _ in 0..5 {
            bucket.refused(start + seconds(30), Some(seconds(60)));
        }
        let (per_minute, ..) = bucket.standing(start + seconds(30));
        assert_eq!(per_minute, Some(30.0));
        // After the pause two seconds lie between two turns, once the few that were saved up are gone.
        let later = start + seconds(90);
        let waits: Vec<_> = (0..5).map(|_| bucket.take(later, LONG).unwrap()).collect();
        assert_eq!(waits[4] - waits[3], seconds(2));
    }

    #[test]
    fn refusals_that_go_on_do_not_lower_a_rate_to_nothing() {
        let start = Instant::now();
        let mut bucket = Bucket::new(None, start);
        (0..600).for_each(|_| bucket.went(start));
        bucket.refused(start + seconds(1), None);
        let rate = |bucket: &mut Bucket, at| bucket.standing(start + seconds(at)).0;
        assert_eq!(rate(&mut bucket, 1), Some(600.0));
        // Little went while all were refused: that says nothing about the rate.
        for second in 2..61 {
            bucket.refused(start + seconds(second), None);
        }
        assert_eq!(rate(&mut bucket, 61), Some(600.0));
        for _ in 0..9 {
            bucket.refused(start + seconds(61), None);
        }
        assert_eq!(rate(&mut bucket, 61), Some(300.0));
    }

    #[test]
    fn a_rate_that_was_found_out_is_tried_higher_in_time() {
        let start = Instant::now();
        let mut bucket = Bucket::new(None, start);
        bucket.refused(start, None);
        assert_eq!(bucket.standing(start).0, None, "nothing is known yet");
        bucket.went(start);
        bucket.refused(start, None);
        assert_eq!(bucket.standing(start).0, Some(5.0));
        assert!(bucket.take(start + seconds(601), LONG).is_ok());
        assert_eq!(bucket.standing(start + seconds(601)).0, Some(6.0));
    }
}

//! Forecasts when a quota will be exhausted: a straight line through recent counts, by least squares. Pure.

use jiff::{SignedDuration, Timestamp};

/// Creations before this time are ignored.
const WINDOW: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Creations within less time than this are not a trend yet.
const LEAST_SPAN: SignedDuration = SignedDuration::from_hours(1);
/// Points through which the line goes.
const POINTS: u32 = 24;

/// How long until `left` more are created, at the rate of the last two weeks; `None` if none were. Deleted ones are not among
/// `created`, so the forecast is about those that stay.
#[must_use]
pub fn full_in(created: &[Timestamp], now: Timestamp, left: u64) -> Option<SignedDuration> {
    if left == 0 {
        return Some(SignedDuration::ZERO);
    }
    let begin = now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
    let mut ages: Vec<f64> = created
        .iter()
        .filter(|at| **at > begin && **at <= now)
        .map(|at| at.duration_since(begin).as_secs_f64())
        .collect();
    ages.sort_by(f64::total_cmp);
    let whole = WINDOW.as_secs_f64();
    let first = *ages.first()?;
    // The line begins at the first creation: the time before it is not part of the trend.
    let span = (whole - first).max(LEAST_SPAN.as_secs_f64());
    let per_second = slope(&ages, whole - span, span);
    if per_second <= 0.0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a forecast")]
    let seconds = left as f64 / per_second;
    SignedDuration::try_from_secs_f64(seconds).ok()
}

/// Slope of the line through the counts at each of the points.
fn slope(ages: &[f64], begin: f64, span: f64) -> f64 {
    let points = (1..=POINTS).map(|n| {
        let at = begin + span * f64::from(n) / f64::from(POINTS);
        let count = ages.partition_point(|age| *age <= at);
        (at, f64::from(u32::try_from(count).unwrap_or(u32::MAX)))
    });
    let points: Vec<(f64, f64)> = points.collect();
    let n = f64::from(POINTS);
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let with = |f: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>();
    let both = with(&|p| (p.0 - x) * (p.1 - y));
    let square = with(&|p| (p.0 - x) * (p.0 - x));
    if square > 0.0 { both / square } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-26T12:00:00Z".parse().unwrap()
    }

    /// One creation every `apart` hours, for `days` days until now.
    fn steady(apart: i64, days: i64) -> Vec<Timestamp> {
        (0..days * 24 / apart)
            .map(|n| now() - SignedDuration::from_hours(n * apart))
            .collect()
    }

    fn days(forecast: Option<SignedDuration>) -> i64 {
        forecast.unwrap().as_hours() / 24
    }

    #[test]
    fn steady_growth_is_expected_to_go_on() {
        // Two a day.
        let made = steady(12, 14);
        assert_eq!(days(full_in(&made, now(), 18)), 9);
        // Half a week of the same growth gives the same forecast.
        assert!((8..=10).contains(&days(full_in(&steady(12, 4), now(), 18))));
    }

    #[test]
    fn a_quota_that_does_not_grow_is_never_full() {
        assert_eq!(full_in(&[], now(), 5), None);
        let old = now() - SignedDuration::from_hours(24 * 100);
        assert_eq!(full_in(&[old; 50], now(), 5), None);
        let later = now() + SignedDuration::from_hours(1);
        assert_eq!(full_in(&[later], now(), 5), None);
    }

    #[test]
    fn an_exhausted_quota_is_full_now() {
        assert_eq!(full_in(&[], now(), 0), Some(SignedDuration::ZERO));
    }

    #[test]
    fn a_burst_of_creations_is_not_taken_for_a_trend() {
        let forecast = full_in(&[now(); 100], now(), 100);
        assert!(
            forecast.is_none_or(|f| f > SignedDuration::from_mins(10)),
            "{forecast:?}"
        );
        let hour_ago = now() - SignedDuration::from_mins(30);
        let forecast = full_in(&[hour_ago; 100], now(), 100).unwrap();
        assert!(forecast > SignedDuration::from_mins(10), "{forecast:?}");
    }

    #[test]
    fn more_room_is_never_full_sooner() {
        let made = steady(3, 10);
        let times: Vec<_> = (0..50).map(|left| full_in(&made, now(), left)).collect();
        assert!(times.is_sorted());
    }
}

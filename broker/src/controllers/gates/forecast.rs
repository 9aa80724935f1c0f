//! What a waiting pod says about the time that is left: pure. Google gives no forecast, so it is how long pods waited lately.

use std::collections::VecDeque;
use std::time::Duration;

use namesake_core::Reason;

use crate::server::config::GatePatience;

/// How many waits are remembered: enough for the 95th percentile.
const REMEMBERED: usize = 100;
/// Fewer waits say nothing.
const ENOUGH: usize = 5;

/// How long the pods waited whose gates were opened last.
#[derive(Debug, Default)]
pub struct RecentWaits(VecDeque<Duration>);

impl RecentWaits {
    /// Adds the wait of a pod whose gate was opened.
    pub fn add(&mut self, wait: Duration) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(wait);
    }

    /// Median and 95th percentile, once there are enough.
    #[must_use]
    pub fn usual(&self) -> Option<(Duration, Duration)> {
        let mut sorted: Vec<_> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let at = |percent: usize| {
            sorted
                .get((sorted.len() * percent).div_ceil(100) - 1)
                .copied()
        };
        (sorted.len() >= ENOUGH).then(|| Some((at(50)?, at(95)?)))?
    }
}

/// When a pod that waits for this reason is likely to start, or when it is ended.
#[must_use]
pub fn forecast(reason: Reason, waits: &RecentWaits, patience: GatePatience) -> String {
    if reason.is_lasting() {
        let after = for_people(patience.lasting);
        return format!("this does not pass by itself: the pod is ended after {after}");
    }
    match waits.usual() {
        Some((half, most)) => format!(
            "lately half of such pods waited {}, and 19 of 20 at most {}",
            for_people(half),
            for_people(most)
        ),
        None => "this usually takes 2 to 7 minutes".to_owned(),
    }
}

/// In minutes, or in seconds if it is less than two minutes.
fn for_people(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: GatePatience = GatePatience {
        lasting: Duration::from_mins(2),
        any: Duration::from_mins(30),
    };

    fn waits(seconds: impl IntoIterator<Item = u64>) -> RecentWaits {
        let mut waits = RecentWaits::default();
        for seconds in seconds {
            waits.add(Duration::from_secs(seconds));
        }
        waits
    }

    #[test]
    fn the_forecast_is_how_long_pods_waited_lately() {
        let lately = waits(1..=100);
        assert_eq!(
            lately.usual(),
            Some((Duration::from_secs(50), Duration::from_secs(95)))
        );
        // Older waits do not count.
        let lately = waits((1..=100).chain(301..=400));
        let text = forecast(Reason::Propagating, &lately, PATIENCE);
        assert_eq!(
            text,
            "lately half of such pods waited 6 min, and 19 of 20 at most 7 min"
        );
    }

    #[test]
    fn without_enough_waits_the_forecast_is_what_google_says() {
        for few in [0, 4] {
            let text = forecast(Reason::Pending, &waits(0..few), PATIENCE);
            assert_eq!(text, "this usually takes 2 to 7 minutes");
        }
        assert!(waits(0..5).usual().is_some());
    }

    #[test]
    fn a_lasting_reason_says_when_the_pod_is_ended() {
        let text = forecast(Reason::PermissionDenied, &waits(1..=100), PATIENCE);
        assert_eq!(
            text,
            "this does not pass by itself: the pod is ended after 2 min"
        );
    }
}

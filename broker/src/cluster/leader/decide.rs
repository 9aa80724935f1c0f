//! What to do about a Lease: pure. Times of other machines are never compared with ours: a Lease has run out when it has not
//! changed before our eyes for as long as it says.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;

/// The Lease as it was seen last, and since when it is like that.
#[derive(Clone, Debug, Default)]
pub struct Seen(Option<(Option<String>, Instant)>);

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// There is none: create it.
    Create,
    /// It is free, ours, or has run out: write our name into exactly this version.
    Take(Box<Lease>),
    /// It is another's for at least this long.
    Wait(Duration),
}

/// Between two renewals of a Lease that lasts so long, and between two looks at another's.
pub(super) fn renewal(lease: Duration) -> Duration {
    lease / 5
}

/// How long after a renewal its holder may act: well before another may take the Lease.
pub(super) fn hold(lease: Duration) -> Duration {
    lease.mul_f64(0.7)
}

/// Who holds the Lease, if anybody does.
pub(super) fn holder(lease: &Lease) -> Option<&String> {
    let holder = lease.spec.as_ref()?.holder_identity.as_ref();
    holder.filter(|name| !name.is_empty())
}

/// Decides at `now` about the Lease that is there. `ours` is the shortest time that a Lease of ours lasts: one that says
/// less is not believed.
#[must_use]
pub fn decide(
    lease: Option<&Lease>,
    me: &str,
    ours: Duration,
    seen: &mut Seen,
    now: Instant,
) -> Step {
    let Some(lease) = lease else {
        return Step::Create;
    };
    let version = lease.metadata.resource_version.clone();
    let since = match &seen.0 {
        Some((known, since)) if *known == version => *since,
        _ => {
            seen.0 = Some((version, now));
            now
        }
    };
    let lasts = lease
        .spec
        .as_ref()
        .and_then(|spec| u64::try_from(spec.lease_duration_seconds?).ok());
    let lasts = Duration::from_secs(lasts.unwrap_or_default()).max(ours);
    let left = (since + lasts).saturating_duration_since(now);
    match holder(lease) {
        Some(other) if other != me && !left.is_zero() => Step::Wait(left),
        _ => Step::Take(Box::new(lease.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Duration = Duration::from_secs(10);

    fn lease(holder: &str, version: &str, seconds: i32) -> Lease {
        serde_json::from_value(serde_json::json!({
            "metadata": {"resourceVersion": version},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds},
        }))
        .unwrap()
    }

    #[test]
    fn a_lease_that_is_missing_free_or_ours_is_taken() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        assert_eq!(decide(None, "a", OURS, &mut seen, now), Step::Create);
        for holder in ["", "a"] {
            let lease = lease(holder, "1", 10);
            let step = decide(Some(&lease), "a", OURS, &mut Seen::default(), now);
            assert_eq!(step, Step::Take(Box::new(lease)), "{holder:?}");
        }
    }

    #[test]
    fn anothers_lease_is_taken_only_after_it_has_not_changed_for_as_long_as_it_lasts() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let first = lease("b", "1", 10);
        let mut step = |lease: &Lease, at| decide(Some(lease), "a", OURS, &mut seen, at);
        assert_eq!(step(&first, at(0)), Step::Wait(OURS));
        assert_eq!(step(&first, at(9)), Step::Wait(Duration::from_secs(1)));
        // Renewed: it lasts again from when we see it.
        let second = lease("b", "2", 10);
        assert_eq!(step(&second, at(9)), Step::Wait(OURS));
        assert_eq!(step(&second, at(18)), Step::Wait(Duration::from_secs(1)));
        assert_eq!(step(&second, at(19)), Step::Take(Box::new(second.clone())));
    }

    /// When one that looks first `phase` after the leader's last renewal takes the Lease, after that renewal.
    fn taken_after(lease_lasts: Duration, phase: Duration) -> Duration {
        let (mut seen, renewed) = (Seen::default(), Instant::now());
        let seconds = i32::try_from(lease_lasts.as_secs()).unwrap();
        let last = lease("b", "1", seconds);
        let mut now = renewed + phase;
        loop {
            match decide(Some(&last), "a", lease_lasts, &mut seen, now) {
                Step::Wait(wait) => now += wait.min(renewal(lease_lasts)),
                _ => return now - renewed,
            }
        }
    }

    #[test]
    fn as_shipped_another_leads_within_15_s_of_the_leaders_end_and_never_while_it_may_act() {
        let lasts = crate::server::config::Timings::default().lease;
        // Looks and renewals are each one period apart; the leader may die right after it renewed.
        for tenth in 0..=10 {
            let phase = renewal(lasts) * tenth / 10;
            let after = taken_after(lasts, phase);
            assert!(after > hold(lasts), "{phase:?}: {after:?}");
            // One call to read the Lease and one to take it: each may need a second.
            let worst = after + Duration::from_secs(2);
            assert!(worst <= Duration::from_secs(15), "{phase:?}: {worst:?}");
        }
    }

    #[test]
    fn a_lease_that_claims_to_be_short_is_waited_for_as_long_as_ours_last() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let short = lease("b", "1", 0);
        assert_eq!(
            decide(Some(&short), "a", OURS, &mut seen, now),
            Step::Wait(OURS)
        );
        let long = lease("b", "1", 60);
        let waits = decide(Some(&long), "a", OURS, &mut Seen::default(), now);
        assert_eq!(waits, Step::Wait(Duration::from_secs(60)));
    }
}

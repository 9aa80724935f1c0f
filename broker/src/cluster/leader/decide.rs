//! What to do about a Lease: pure. Clocks of different machines are never compared: a Lease has expired when it did not change
//! for as long as it says, measured by our own clock.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;

/// The version of the Lease that was read last, and since when it has been that.
#[derive(Clone, Debug, Default)]
pub struct ObservedLease(Option<(Option<String>, Instant)>);

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseDecision {
    /// There is no Lease: create it.
    Create,
    /// It is free, ours, or has expired: write our name into exactly this version.
    Take(Box<Lease>),
    /// Another replica holds it for at least this long.
    Wait(Duration),
}

/// Between two renewals of a Lease of this duration, and between two reads of another replica's.
pub(super) fn renew_interval(lease_duration: Duration) -> Duration {
    lease_duration / 5
}

/// How long after a renewal the holder may act: it ends well before another replica may take the Lease.
pub(super) fn hold(lease_duration: Duration) -> Duration {
    lease_duration.mul_f64(0.7)
}

/// Who holds the Lease, if anybody does.
pub(super) fn holder(lease: &Lease) -> Option<&String> {
    let holder = lease.spec.as_ref()?.holder_identity.as_ref();
    holder.filter(|name| !name.is_empty())
}

/// Decides at `now` about the existing Lease. A Lease that claims to be shorter than `least` is not believed.
#[must_use]
pub fn decide(
    lease: Option<&Lease>,
    me: &str,
    least: Duration,
    observed: &mut ObservedLease,
    now: Instant,
) -> LeaseDecision {
    let Some(lease) = lease else {
        return LeaseDecision::Create;
    };
    let version = lease.metadata.resource_version.clone();
    let since = match &observed.0 {
        Some((known, since)) if *known == version => *since,
        _ => {
            observed.0 = Some((version, now));
            now
        }
    };
    let duration = lease
        .spec
        .as_ref()
        .and_then(|spec| u64::try_from(spec.lease_duration_seconds?).ok());
    let duration = Duration::from_secs(duration.unwrap_or_default()).max(least);
    let left = (since + duration).saturating_duration_since(now);
    match holder(lease) {
        Some(other) if other != me && !left.is_zero() => LeaseDecision::Wait(left),
        _ => LeaseDecision::Take(Box::new(lease.clone())),
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
    fn a_lease_that_does_not_exist_or_is_free_or_ours_is_taken() {
        let (mut observed, now) = (ObservedLease::default(), Instant::now());
        assert_eq!(
            decide(None, "a", OURS, &mut observed, now),
            LeaseDecision::Create
        );
        for holder in ["", "a"] {
            let lease = lease(holder, "1", 10);
            let step = decide(Some(&lease), "a", OURS, &mut ObservedLease::default(), now);
            assert_eq!(step, LeaseDecision::Take(Box::new(lease)), "{holder:?}");
        }
    }

    #[test]
    fn the_lease_of_another_replica_is_taken_only_after_it_did_not_change_for_its_whole_duration() {
        let (mut observed, start) = (ObservedLease::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let first = lease("b", "1", 10);
        let mut step = |lease: &Lease, at| decide(Some(lease), "a", OURS, &mut observed, at);
        assert_eq!(step(&first, at(0)), LeaseDecision::Wait(OURS));
        assert_eq!(
            step(&first, at(9)),
            LeaseDecision::Wait(Duration::from_secs(1))
        );
        // Renewed: its duration counts from when we see that.
        let second = lease("b", "2", 10);
        assert_eq!(step(&second, at(9)), LeaseDecision::Wait(OURS));
        assert_eq!(
            step(&second, at(18)),
            LeaseDecision::Wait(Duration::from_secs(1))
        );
        assert_eq!(
            step(&second, at(19)),
            LeaseDecision::Take(Box::new(second.clone()))
        );
    }

    /// How long after the leader's last renewal a replica takes the Lease that reads it first `phase` after that renewal.
    fn taken_after(duration: Duration, phase: Duration) -> Duration {
        let (mut observed, renewed) = (ObservedLease::default(), Instant::now());
        let seconds = i32::try_from(duration.as_secs()).unwrap();
        let last = lease("b", "1", seconds);
        let mut now = renewed + phase;
        loop {
            match decide(Some(&last), "a", duration, &mut observed, now) {
                LeaseDecision::Wait(wait) => now += wait.min(renew_interval(duration)),
                _ => return now - renewed,
            }
        }
    }

    #[test]
    fn by_default_another_replica_leads_within_15_s_after_the_leader_dies_and_never_while_that_may_still_act()
     {
        let lasts = crate::server::config::Timings::default().lease;
        // Reads and renewals are each one period apart; the leader may die right after a renewal.
        for tenth in 0..=10 {
            let phase = renew_interval(lasts) * tenth / 10;
            let after = taken_after(lasts, phase);
            assert!(after > hold(lasts), "{phase:?}: {after:?}");
            // One call to read the Lease and one to take it: each may need a second.
            let worst = after + Duration::from_secs(2);
            assert!(worst <= Duration::from_secs(15), "{phase:?}: {worst:?}");
        }
    }

    #[test]
    fn a_lease_that_claims_to_be_shorter_than_ours_is_waited_for_as_long_as_ours() {
        let (mut observed, now) = (ObservedLease::default(), Instant::now());
        let short = lease("b", "1", 0);
        assert_eq!(
            decide(Some(&short), "a", OURS, &mut observed, now),
            LeaseDecision::Wait(OURS)
        );
        let long = lease("b", "1", 60);
        let waits = decide(Some(&long), "a", OURS, &mut ObservedLease::default(), now);
        assert_eq!(waits, LeaseDecision::Wait(Duration::from_secs(60)));
    }
}

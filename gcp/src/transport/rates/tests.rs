use super::*;
use crate::Failure;

const WAIT: Duration = Duration::from_secs(30);

fn throttled() -> Result<(), Error> {
    let failure = Failure::new("x", "y");
    Err(Error::throttled(failure, Some(Duration::from_secs(60))))
}

#[test]
fn a_refused_creation_stops_creations_in_that_project_and_nothing_else() {
    let rates = Rates::new(RateLimits::default());
    rates.learn(Rate::Create.of("acme"), &throttled());
    let (_, wait) = rates.take_turns(&[Rate::Create], "acme", WAIT).unwrap_err();
    assert!(wait > Duration::from_secs(59), "{wait:?}");
    for (rate, consumer) in [
        (Rate::Create, "other"),
        (Rate::Read, "acme"),
        (Rate::Write, "acme"),
    ] {
        assert_eq!(
            rates.take_turns(&[rate], consumer, WAIT),
            Ok(Duration::ZERO)
        );
    }
    let paused = rates.statuses().into_iter().find(|s| !s.paused.is_zero());
    assert_eq!(
        paused.map(|s| (s.rate, s.consumer)),
        Some((Rate::Create, "acme".to_owned()))
    );
}

#[test]
fn nothing_is_learned_from_other_failures() {
    let rates = Rates::new(RateLimits::default());
    let failed = Err(Error::Unavailable(Failure::new("x", "y")));
    rates.learn::<()>(Rate::Read.of("acme"), &failed);
    assert_eq!(
        rates.take_turns(&[Rate::Read], "acme", WAIT),
        Ok(Duration::ZERO)
    );
}

#[tokio::test]
async fn two_turns_are_taken_together_or_not_at_all() {
    let rates = Rates::new(RateLimits {
        writes: 2,
        creates: Some(2),
        ..RateLimits::default()
    });
    let soon = Duration::from_secs(10);
    let both = [Rate::Create, Rate::Write];
    assert_eq!(rates.take_turns(&both, "acme", soon), Ok(Duration::ZERO));
    assert_eq!(
        rates.take_turns(&[Rate::Write], "acme", soon),
        Ok(Duration::ZERO)
    );
    for _ in 0..3 {
        let (late, _) = rates.take_turns(&both, "acme", soon).unwrap_err();
        assert_eq!(late, Rate::Write);
    }
    // The second creation is still available.
    assert_eq!(
        rates.take_turns(&[Rate::Create], "acme", soon),
        Ok(Duration::ZERO)
    );
    assert!(rates.take_turns(&[Rate::Create], "acme", soon).is_err());
}

#[tokio::test]
async fn accounts_are_created_no_faster_than_they_can_be_bound() {
    let rates = Rates::new(RateLimits::default());
    let at_once = || {
        rates
            .take_turns(&[Rate::Create], "acme", Duration::ZERO)
            .is_ok()
    };
    assert_eq!((0..600).filter(|_| at_once()).count(), 285);
    assert!(rates.take_turns(&[Rate::Write], "acme", WAIT).is_ok());
}

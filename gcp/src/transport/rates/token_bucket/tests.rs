use super::*;

const LONG: Duration = Duration::from_secs(3_600);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn requests_beyond_the_rate_wait_in_order() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(Some(60), start);
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
fn a_turn_that_comes_too_late_is_not_taken() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(Some(1), start);
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
fn a_pause_holds_all_requests_until_it_ends() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(Some(600), start);
    bucket.refused(start, Some(seconds(60)));
    // A later, shorter pause does not end it sooner.
    bucket.refused(start, None);
    assert!(bucket.take(start + seconds(1), seconds(10)).is_err());
    let wait = bucket.take(start + seconds(1), LONG).unwrap();
    assert_eq!(wait, seconds(59));
    assert_eq!(bucket.take(start + seconds(61), LONG), Ok(Duration::ZERO));
}

#[test]
fn an_assumed_rate_is_lowered_by_a_refusal_and_never_raised_above_the_assumption() {
    let start = Instant::now();
    let mut bucket = TokenBucket::assumed(30, start);
    let at_once = (0..40).filter(|_| bucket.take(start, Duration::ZERO).is_ok());
    assert_eq!(at_once.count(), 30);
    let later = start + RAISE_PERIOD;
    (0..20).for_each(|_| bucket.succeeded(later));
    assert_eq!(bucket.take(later, LONG), Ok(Duration::ZERO));
    assert_eq!(bucket.status(later).0, Some(30.0));
    bucket.refused(later, None);
    assert_eq!(bucket.status(later).0, Some(20.0));
    let much_later = later + 9 * RAISE_PERIOD;
    for n in 1..=9 {
        let _ = bucket.take(later + n * RAISE_PERIOD, LONG);
    }
    assert_eq!(bucket.status(much_later).0, Some(30.0));
}

#[test]
fn an_unpublished_rate_is_learned_from_the_first_refusal() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(None, start);
    for n in 0..30 {
        let now = start + seconds(n);
        assert_eq!(bucket.take(now, LONG), Ok(Duration::ZERO));
        bucket.succeeded(now);
    }
    // Five requests in flight are refused together.
    for _ in 0..5 {
        bucket.refused(start + seconds(30), Some(seconds(60)));
    }
    let (per_minute, ..) = bucket.status(start + seconds(30));
    assert_eq!(per_minute, Some(30.0));
    // After the pause the turns are two seconds apart, once the few saved-up ones are used.
    let later = start + seconds(90);
    let waits: Vec<_> = (0..5).map(|_| bucket.take(later, LONG).unwrap()).collect();
    assert_eq!(waits[4] - waits[3], seconds(2));
}

#[test]
fn continued_refusals_lower_a_rate_only_by_half_a_minute() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(None, start);
    (0..600).for_each(|_| bucket.succeeded(start));
    bucket.refused(start + seconds(1), None);
    let rate = |bucket: &mut TokenBucket, at| bucket.status(start + seconds(at)).0;
    assert_eq!(rate(&mut bucket, 1), Some(600.0));
    // Few requests succeed while all are refused: that says nothing about the rate.
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
fn a_learned_rate_is_raised_after_ten_minutes() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(None, start);
    bucket.refused(start, None);
    assert_eq!(bucket.status(start).0, None, "nothing is known yet");
    bucket.succeeded(start);
    bucket.refused(start, None);
    assert_eq!(bucket.status(start).0, Some(5.0));
    assert!(bucket.take(start + seconds(601), LONG).is_ok());
    assert_eq!(bucket.status(start + seconds(601)).0, Some(6.0));
}

//! Lifetimes, and when to renew. Pure: the time is an argument.

use jiff::{SignedDuration, Timestamp};

/// Lifetime of a leaf.
pub(crate) const LEAF_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Lifetime of an authority. Replacing it is up to an admin; [`authority_is_old`] says when it is time.
pub(crate) const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
/// Certificates are valid from this long before they are issued, so that a client whose clock is a little behind accepts
/// them.
pub(crate) const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// When to renew a leaf: at two thirds of its lifetime, so that a third is left to notice that renewal fails.
pub(crate) fn renew_at(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let life = not_after.duration_since(not_before);
    not_before.saturating_add(life / 3 * 2).unwrap_or(not_after)
}

/// Whether a leaf of this validity must be renewed at `now`.
pub(crate) fn is_due(not_before: Timestamp, not_after: Timestamp, now: Timestamp) -> bool {
    now >= renew_at(not_before, not_after)
}

/// Whether an authority should be replaced: less than a tenth of its lifetime is left.
pub(crate) fn authority_is_old(
    not_before: Timestamp,
    not_after: Timestamp,
    now: Timestamp,
) -> bool {
    let life = not_after.duration_since(not_before);
    not_after.duration_since(now) < life / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_leaf_is_renewed_at_two_thirds_of_its_lifetime() {
        assert_eq!(renew_at(at(0), at(900)), at(600));
        assert!(!is_due(at(0), at(900), at(599)));
        assert!(is_due(at(0), at(900), at(600)));
        assert!(is_due(at(0), at(900), at(2000)));
    }

    #[test]
    fn a_validity_that_ends_before_it_begins_is_due() {
        assert!(is_due(at(900), at(0), at(900)));
        assert!(is_due(Timestamp::MIN, Timestamp::MIN, Timestamp::MIN));
    }

    #[test]
    fn an_authority_is_old_in_the_last_tenth_of_its_lifetime() {
        assert!(!authority_is_old(at(0), at(1000), at(900)));
        assert!(authority_is_old(at(0), at(1000), at(901)));
        assert!(authority_is_old(at(0), at(1000), at(5000)));
    }
}

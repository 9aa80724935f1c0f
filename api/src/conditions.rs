//! Standard Kubernetes conditions: reading one, and setting one so that its time changes only with its status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known yet.
    Unknown,
}

impl Status {
    /// As Kubernetes writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// What to write into a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionUpdate<'a> {
    /// Type of the condition, such as [`crate::names::READY`].
    pub type_: &'a str,
    /// Whether it holds.
    pub status: Status,
    /// CamelCase word for programs; not empty.
    pub reason: &'a str,
    /// Sentence for people: what is the case, and what to do about it.
    pub message: &'a str,
    /// `metadata.generation` of the object that was observed.
    pub generation: Option<i64>,
}

/// The condition of this type.
#[must_use]
pub fn get<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// Whether the condition of this type exists and is `True`.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    get(conditions, type_).is_some_and(|c| c.status == Status::True.as_str())
}

/// Whether the condition of this type is `True` and was observed on this generation of the object.
#[must_use]
pub fn holds(conditions: &[Condition], type_: &str, generation: Option<i64>) -> bool {
    get(conditions, type_)
        .is_some_and(|c| c.status == Status::True.as_str() && c.observed_generation == generation)
}

/// Sets a condition. `lastTransitionTime` becomes `now` only when the status changes. Returns whether anything changed, so that an
/// unchanged status is not written.
pub fn set(conditions: &mut Vec<Condition>, update: &ConditionUpdate<'_>, now: Timestamp) -> bool {
    let fresh = Condition {
        type_: update.type_.to_owned(),
        status: update.status.as_str().to_owned(),
        reason: update.reason.to_owned(),
        message: update.message.to_owned(),
        observed_generation: update.generation,
        last_transition_time: Time(now),
    };
    let Some(old) = conditions.iter_mut().find(|c| c.type_ == update.type_) else {
        conditions.push(fresh);
        return true;
    };
    let since = if old.status == fresh.status {
        old.last_transition_time.clone()
    } else {
        fresh.last_transition_time.clone()
    };
    let fresh = Condition {
        last_transition_time: since,
        ..fresh
    };
    let changed = *old != fresh;
    *old = fresh;
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn update(status: Status, reason: &str) -> ConditionUpdate<'_> {
        ConditionUpdate {
            type_: "Ready",
            status,
            reason,
            message: "m",
            generation: Some(1),
        }
    }

    #[test]
    fn the_time_changes_only_with_the_status() {
        let mut all = Vec::new();
        assert!(set(&mut all, &update(Status::False, "Waiting"), at(1)));
        assert!(!set(&mut all, &update(Status::False, "Waiting"), at(2)));
        assert!(set(&mut all, &update(Status::False, "Denied"), at(3)));
        assert_eq!(all[0].last_transition_time, Time(at(1)));
        assert!(!is_true(&all, "Ready"));
        assert!(set(&mut all, &update(Status::True, "Denied"), at(4)));
        assert_eq!(all[0].last_transition_time, Time(at(4)));
        assert!(is_true(&all, "Ready"));
        assert_eq!(all.len(), 1);
    }
}

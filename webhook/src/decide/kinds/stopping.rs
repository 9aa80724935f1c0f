//! Changes by which anybody may stop an object, and the search for changes beyond them.

use namesake_core::Json;

/// A member of the spec that anybody may change in one direction.
#[derive(Debug)]
pub struct Stop {
    /// Name of the member.
    pub member: &'static str,
    /// Whether the change from one value to the other stops the object, or lets it stop sooner. An absent value is null.
    pub stops: fn(old: &Json<'_>, new: &Json<'_>) -> bool,
}

/// Stops when it becomes true.
pub const SUSPEND: Stop = Stop {
    member: "suspend",
    stops: |_, new| *new == Json::Bool(true),
};

/// Stops sooner when it becomes smaller; without it there is no limit.
pub const DEADLINE: Stop = Stop {
    member: "activeDeadlineSeconds",
    stops: |old, new| is_lower(old, new, i64::MAX),
};

/// Whether a number becomes smaller; `unset` is what its absence means.
#[must_use]
pub fn is_lower(old: &Json<'_>, new: &Json<'_>, unset: i64) -> bool {
    let old = match old {
        Json::Null => Some(unset),
        old => old.as_i64(),
    };
    matches!((old, new.as_i64()), (Some(old), Some(new)) if new < old)
}

/// Whether one of these changes is a change of this member from the old value to the new one.
#[must_use]
pub fn is_stop(stops: &[Stop], member: &str, old: &Json<'_>, new: &Json<'_>) -> bool {
    let stop = stops.iter().find(|stop| stop.member == member);
    stop.is_some_and(|stop| (stop.stops)(old, new))
}

/// The first member that differs between two objects and may not; `itself` if one of the two is not an object and they differ.
pub fn first_change(
    old: &Json<'_>,
    new: &Json<'_>,
    may_differ: impl Fn(&str, &Json<'_>, &Json<'_>) -> bool,
) -> Option<String> {
    let is_object = |node: &Json<'_>| matches!(node, Json::Object(_) | Json::Null);
    if old != new && !(is_object(old) && is_object(new)) {
        return Some("itself".to_owned());
    }
    let members = old.members().iter().chain(new.members());
    let mut names = members.map(|(name, _)| name.as_str());
    let found = names.find(|name| {
        let (old, new) = (old.get(name), new.get(name));
        old != new && !may_differ(name, old, new)
    });
    found.map(str::to_owned)
}

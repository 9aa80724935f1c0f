//! Several changes of one policy in one write, within the limits of a policy: pure.

use namesake_api::names;
use namesake_gcp::{Edit, Policy};

/// Edits that are made together or not at all.
#[derive(Clone, Debug)]
pub(super) struct PolicyChange {
    pub(super) edits: Vec<Edit>,
    /// Write even if the policy that was read is right already.
    pub(super) confirmed: bool,
}

impl PolicyChange {
    pub(super) fn adds(&self) -> bool {
        self.edits.iter().any(Edit::adds)
    }

    fn apply(&self, policy: &mut Policy) -> bool {
        let edits = self.edits.iter();
        edits.fold(false, |changed, edit| edit.apply(policy) | changed)
    }
}

/// Whether a change changed the policy. The error says that the policy would have been too large, and does not contain the change.
pub(super) type ChangeResult = Result<bool, String>;

/// Size of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicySize {
    /// Members; one that has several roles counts once for each.
    pub principals: usize,
    /// Bytes as JSON.
    pub bytes: usize,
}

impl PolicySize {
    pub(super) fn of(policy: &Policy) -> Self {
        Self {
            principals: policy.member_count(),
            bytes: policy.bytes(),
        }
    }
}

/// Largest size of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyLimits {
    /// Members; one that has several roles counts once for each.
    pub principals: usize,
    /// Bytes as JSON.
    pub bytes: usize,
}

impl Default for PolicyLimits {
    fn default() -> Self {
        Self {
            principals: names::POLICY_PRINCIPALS,
            bytes: names::POLICY_BYTES,
        }
    }
}

impl PolicyLimits {
    /// How much of the limits a policy of this size uses, in per cent: the larger of the two.
    #[must_use]
    pub fn percent(&self, size: PolicySize) -> usize {
        let percent = |used: usize, limit: usize| used.saturating_mul(100) / limit.max(1);
        percent(size.principals, self.principals).max(percent(size.bytes, self.bytes))
    }

    /// Why a policy of this size is too large, if it is.
    fn exceeded(&self, size: PolicySize) -> Option<String> {
        let message = |count: usize, what: &str, limit: usize| {
            format!("its policy would have {count} {what}, and may have {limit}")
        };
        if size.principals > self.principals {
            return Some(message(size.principals, "principals", self.principals));
        }
        (size.bytes > self.bytes).then(|| message(size.bytes, "bytes", self.bytes))
    }
}

/// Applies the changes one after the other. One for which there is no room is left out; a smaller one after it may still fit.
pub(super) fn apply(
    policy: &mut Policy,
    changes: &[&PolicyChange],
    limits: PolicyLimits,
) -> Vec<ChangeResult> {
    // An upper bound of the size. The policy is measured only if that exceeds the limits.
    let mut bound = PolicySize::of(policy);
    let mut apply_one = |change: &&PolicyChange| {
        if !change.adds() {
            return Ok(change.apply(policy));
        }
        bound.bytes += change.edits.iter().map(most_bytes).sum::<usize>();
        bound.principals += change.edits.len();
        if limits.exceeded(bound).is_none() {
            return Ok(change.apply(policy));
        }
        let before = policy.clone();
        let changed = change.apply(policy);
        let exceeded = limits.exceeded(PolicySize::of(policy)).filter(|_| changed);
        if exceeded.is_some() {
            *policy = before;
        }
        bound = PolicySize::of(policy);
        exceeded.map_or(Ok(changed), Err)
    };
    changes.iter().map(&mut apply_one).collect()
}

/// Most bytes that an edit can add, with a binding of its own.
fn most_bytes(edit: &Edit) -> usize {
    const SYNTAX: usize = 80;
    match edit {
        Edit::Add(entry) => {
            let condition = entry.condition.as_ref();
            let condition = condition.map_or(0, |c| c.title.len() + 2 * c.expression.len());
            SYNTAX + entry.role.len() + entry.member.len() + condition
        }
        Edit::Remove(_) | Edit::RemoveMember(_) => 0,
    }
}

/// Which of these changes Google's message is about; `None` if it names none of them, or all.
pub(super) fn blamed(changes: &[&PolicyChange], message: &str) -> Option<Vec<bool>> {
    let is_blamed =
        |change: &&PolicyChange| change.edits.iter().any(|edit| edit.is_blamed(message));
    let blamed: Vec<bool> = changes.iter().map(is_blamed).collect();
    (blamed.contains(&true) && blamed.contains(&false)).then_some(blamed)
}

#[cfg(test)]
mod tests {
    use namesake_gcp::Policy;

    use super::*;

    fn add(n: usize) -> PolicyChange {
        change(Edit::add("roles/viewer", format!("user:{n}@acme.com")))
    }

    fn change(edit: Edit) -> PolicyChange {
        PolicyChange {
            edits: vec![edit],
            confirmed: false,
        }
    }

    fn policy_of(members: usize) -> Policy {
        let mut policy = Policy::default();
        for n in 0..members {
            policy.add("roles/viewer", &format!("user:{n}@acme.com"), None);
        }
        policy
    }

    #[test]
    fn an_addition_without_room_is_left_out_and_a_removal_is_applied() {
        let limits = PolicyLimits {
            principals: 3,
            ..PolicyLimits::default()
        };
        let mut policy = policy_of(2);
        let removal = change(Edit::RemoveMember("user:0@acme.com".into()));
        let changes = [add(7), add(8), removal, add(9), add(9)];
        let results = apply(&mut policy, &changes.each_ref(), limits);
        assert_eq!(results[0], Ok(true));
        assert!(
            matches!(&results[1], Err(why) if why.contains("4 principals")),
            "{results:?}"
        );
        assert_eq!(results[2..], [Ok(true), Ok(true), Ok(false)]);
        assert_eq!(policy.member_count(), 3);
    }

    #[test]
    fn a_policy_never_exceeds_its_limits() {
        let limits = PolicyLimits {
            bytes: 2_000,
            ..PolicyLimits::default()
        };
        let mut policy = policy_of(0);
        let changes: Vec<_> = (0..200).map(add).collect();
        let results = apply(&mut policy, &changes.iter().collect::<Vec<_>>(), limits);
        assert!(
            policy.bytes() <= 2_000 && policy.bytes() > 1_900,
            "{}",
            policy.bytes()
        );
        let changed = results.iter().filter(|v| **v == Ok(true)).count();
        assert_eq!(changed, policy.member_count());
    }

    #[test]
    fn a_full_policy_can_still_be_emptied() {
        let limits = PolicyLimits {
            principals: 1,
            ..PolicyLimits::default()
        };
        let mut policy = policy_of(5);
        let removal = change(Edit::RemoveMember("user:0@acme.com".into()));
        assert_eq!(apply(&mut policy, &[&removal], limits), [Ok(true)]);
    }

    #[test]
    fn the_changes_that_a_refusal_names_are_blamed() {
        let changes = [add(1), add(2), add(3)];
        let blamed = |message| blamed(&changes.each_ref(), message);
        assert_eq!(
            blamed("Account 2@acme.com is unknown."),
            Some(vec![false, true, false])
        );
        assert_eq!(blamed("Something is wrong."), None);
        assert_eq!(blamed("Role roles/viewer is not supported."), None);
    }
}

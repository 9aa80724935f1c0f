//! Several changes in one policy: what becomes of each, and whose fault a refusal is. Pure.

use namesake_api::names;
use namesake_gcp::{Edit, Policy};

use super::Size;

/// Edits that belong together.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) edits: Vec<Edit>,
    /// Written also when the policy is read as being so already.
    pub(super) confirmed: bool,
}

impl Change {
    pub(super) fn adds(&self) -> bool {
        self.edits.iter().any(Edit::adds)
    }
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Changed,
    /// The policy was already so.
    Same,
    /// The policy would be too large; why, in words. Nothing of the change is in it.
    Full(String),
}

/// What a policy may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Members, each occurrence counted.
    pub principals: usize,
    /// Bytes, as JSON.
    pub bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            principals: names::POLICY_PRINCIPALS,
            bytes: names::POLICY_BYTES,
        }
    }
}

impl Room {
    /// How much of it a policy of this size takes, in per cent: the fuller of the two counts.
    #[must_use]
    pub fn share(&self, size: Size) -> usize {
        let share = |used: usize, of: usize| used.saturating_mul(100) / of.max(1);
        share(size.principals, self.principals).max(share(size.bytes, self.bytes))
    }

    fn lacks(&self, policy: &Policy) -> Option<String> {
        let (principals, bytes) = (policy.member_count(), policy.bytes());
        if principals > self.principals {
            return Some(format!(
                "its policy would have {principals} principals, and holds {}",
                self.principals
            ));
        }
        (bytes > self.bytes).then(|| {
            format!(
                "its policy would have {bytes} bytes, and holds {}",
                self.bytes
            )
        })
    }
}

/// Makes the changes one after the other; one for which there is no room is left out, and the smaller after it may go in.
pub(super) fn apply(policy: &mut Policy, changes: &[&Change], room: Room) -> Vec<Verdict> {
    // At most as large as this: measured only when that does not do.
    let (mut bytes, mut principals) = (policy.bytes(), policy.member_count());
    let mut one = |change: &&Change| {
        if !change.adds() {
            return verdict(make(policy, change));
        }
        bytes += change.edits.iter().map(bytes_of).sum::<usize>();
        principals += change.edits.len();
        if bytes <= room.bytes && principals <= room.principals {
            return verdict(make(policy, change));
        }
        let before = policy.clone();
        let changed = make(policy, change);
        let lacks = room.lacks(policy).filter(|_| changed);
        if lacks.is_some() {
            *policy = before;
        }
        (bytes, principals) = (policy.bytes(), policy.member_count());
        lacks.map_or(verdict(changed), Verdict::Full)
    };
    changes.iter().map(&mut one).collect()
}

fn make(policy: &mut Policy, change: &Change) -> bool {
    let edits = change.edits.iter();
    edits.fold(false, |changed, edit| edit.apply(policy) | changed)
}

const fn verdict(changed: bool) -> Verdict {
    if changed {
        Verdict::Changed
    } else {
        Verdict::Same
    }
}

/// Bytes that an edit can add: a binding of its own, quotes and commas.
fn bytes_of(edit: &Edit) -> usize {
    const AROUND: usize = 80;
    match edit {
        Edit::Add(entry) => {
            let condition = entry.condition.as_ref();
            let condition = condition.map_or(0, |c| c.title.len() + 2 * c.expression.len());
            AROUND + entry.role.len() + entry.member.len() + condition
        }
        Edit::Remove(_) | Edit::RemoveMember(_) => 0,
    }
}

/// Which of these changes a refusal is about; none when it does not say, or blames all of them.
pub(super) fn split(changes: &[&Change], message: &str) -> Option<Vec<bool>> {
    let blamed = |change: &&Change| change.edits.iter().any(|edit| edit.is_blamed(message));
    let blamed: Vec<bool> = changes.iter().map(blamed).collect();
    let count = blamed.iter().filter(|blamed| **blamed).count();
    (0 < count && count < changes.len()).then_some(blamed)
}

#[cfg(test)]
mod tests {
    use namesake_gcp::Policy;

    use super::*;

    fn add(n: usize) -> Change {
        change(Edit::add("roles/viewer", format!("user:{n}@acme.com")))
    }

    fn change(edit: Edit) -> Change {
        Change {
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
    fn what_has_no_room_is_left_out_and_what_takes_away_goes_on() {
        let room = Room {
            principals: 3,
            ..Room::default()
        };
        let mut policy = policy_of(2);
        let gone = change(Edit::RemoveMember("user:0@acme.com".into()));
        let changes = [add(7), add(8), gone, add(9), add(9)];
        let verdicts = apply(&mut policy, &changes.each_ref(), room);
        assert_eq!(verdicts[0], Verdict::Changed);
        assert!(
            matches!(&verdicts[1], Verdict::Full(why) if why.contains("4 principals")),
            "{verdicts:?}"
        );
        assert_eq!(
            verdicts[2..],
            [Verdict::Changed, Verdict::Changed, Verdict::Same]
        );
        assert_eq!(policy.member_count(), 3);
    }

    #[test]
    fn a_policy_is_never_written_larger_than_it_may_be() {
        let room = Room {
            bytes: 2_000,
            ..Room::default()
        };
        let mut policy = policy_of(0);
        let changes: Vec<_> = (0..200).map(add).collect();
        let verdicts = apply(&mut policy, &changes.iter().collect::<Vec<_>>(), room);
        assert!(
            policy.bytes() <= 2_000 && policy.bytes() > 1_900,
            "{}",
            policy.bytes()
        );
        let went = verdicts.iter().filter(|v| **v == Verdict::Changed).count();
        assert_eq!(went, policy.member_count());
    }

    #[test]
    fn a_full_policy_can_still_be_emptied() {
        let room = Room {
            principals: 1,
            ..Room::default()
        };
        let mut policy = policy_of(5);
        let gone = change(Edit::RemoveMember("user:0@acme.com".into()));
        assert_eq!(apply(&mut policy, &[&gone], room), [Verdict::Changed]);
    }

    #[test]
    fn a_refusal_is_laid_at_the_door_of_those_that_it_names() {
        let changes = [add(1), add(2), add(3)];
        let split = |message| split(&changes.each_ref(), message);
        assert_eq!(
            split("Account 2@acme.com is unknown."),
            Some(vec![false, true, false])
        );
        assert_eq!(split("Something is wrong."), None);
        assert_eq!(split("Role roles/viewer is not supported."), None);
    }
}

//! Groups of a requester: only those that the rules mention, each with what is known about it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What is known about a requester's groups: of each group that the rules mentioned when it was written down, in or out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    #[serde(rename = "in")]
    members: BTreeSet<String>,
    #[serde(rename = "out")]
    others: BTreeSet<String>,
}

/// Whether a requester is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Proven to be in.
    In,
    /// Proven to be out.
    Out,
    /// The rules did not mention the group when the requester was seen: satisfies no allow, and every deny.
    Unknown,
}

impl Groups {
    /// Of the `mentioned` groups, those that the requester `has`, and the rest.
    pub(crate) fn of(mentioned: &BTreeSet<String>, has: &[String]) -> Groups {
        let members: BTreeSet<String> = has
            .iter()
            .filter(|group| mentioned.contains(*group))
            .cloned()
            .collect();
        let others = mentioned.difference(&members).cloned().collect();
        Groups { members, others }
    }

    /// What is known about one group.
    #[must_use]
    pub fn membership(&self, group: &str) -> Membership {
        if self.members.contains(group) {
            Membership::In
        } else if self.others.contains(group) {
            Membership::Out
        } else {
            Membership::Unknown
        }
    }

    /// The groups that the requester is proven to be in, sorted.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        self.members.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_was_not_mentioned_is_unknown() {
        let mentioned = ["a", "b"].map(String::from).into();
        let groups = Groups::of(&mentioned, &["b".to_owned(), "c".to_owned()]);
        assert_eq!(groups.membership("a"), Membership::Out);
        assert_eq!(groups.membership("b"), Membership::In);
        assert_eq!(groups.membership("c"), Membership::Unknown);
        assert_eq!(groups.members(), ["b"]);
    }
}

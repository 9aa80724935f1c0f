//! Groups of a requester: whether the requester is in each group that the rules mention.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// For each group that the rules mentioned when this was recorded: whether the requester was in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    #[serde(rename = "in")]
    members: BTreeSet<String>,
    #[serde(rename = "out")]
    not_members: BTreeSet<String>,
}

/// Whether a requester is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Proven to be in the group.
    In,
    /// Proven not to be in the group.
    Out,
    /// The rules did not mention the group when this was recorded. No rule that gives something matches; every rule with `deny` does.
    Unknown,
}

impl Groups {
    /// Of the `mentioned` groups, those in which the requester is (`groups`), and the others.
    pub(crate) fn new(mentioned: &BTreeSet<String>, groups: &[String]) -> Groups {
        let members: BTreeSet<String> = groups
            .iter()
            .filter(|group| mentioned.contains(*group))
            .cloned()
            .collect();
        let not_members = mentioned.difference(&members).cloned().collect();
        Groups {
            members,
            not_members,
        }
    }

    /// Whether the requester is in this group.
    pub fn membership(&self, group: &str) -> Membership {
        if self.members.contains(group) {
            Membership::In
        } else if self.not_members.contains(group) {
            Membership::Out
        } else {
            Membership::Unknown
        }
    }

    /// The groups that the requester is proven to be in, sorted.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_was_not_mentioned_is_unknown() {
        let mentioned = ["a", "b"].map(String::from).into();
        let groups = Groups::new(&mentioned, &["b".to_owned(), "c".to_owned()]);
        assert_eq!(groups.membership("a"), Membership::Out);
        assert_eq!(groups.membership("b"), Membership::In);
        assert_eq!(groups.membership("c"), Membership::Unknown);
        assert!(groups.members().eq(["b"]));
    }
}

//! Who else has a role on an identity's GSA: pure. There may be good reasons for that; an admin should know.

use std::collections::BTreeSet;

use namesake_api::names::EXCLUSIVE;
use namesake_api::{Identity, IdentityStatus};
use namesake_core::Reason;
use namesake_gcp::Policy;

use crate::google::recorded::{self, Members};
use crate::identity::finding::Finding;

/// Most members that a message names.
const NAMED: usize = 5;

/// Members of the policy that are not the identity's own: neither its current members, nor recorded ones.
#[must_use]
pub fn find(policy: &Policy, status: &IdentityStatus, own: &Members) -> Vec<String> {
    let recorded = recorded::all(status)
        .into_iter()
        .map(|entry| entry.binding.member);
    let ours: BTreeSet<String> = recorded
        .chain(own.binding.clone())
        .chain([own.grantee.clone()])
        .collect();
    let all: BTreeSet<&str> = policy.all_members().collect();
    let others = all.into_iter().filter(|member| !ours.contains(*member));
    // A deleted account has no access.
    let others = others.filter(|member| !member.starts_with("deleted:"));
    others.map(str::to_owned).collect()
}

/// The condition `Exclusive` of the Identity.
#[must_use]
pub fn finding(identity: &Identity, foreign: &[String], removed: bool) -> Finding {
    if foreign.is_empty() || removed {
        let message = if removed {
            format!("removed, as the class asks: {}", list(foreign))
        } else {
            "nobody but this identity has a role on its Google service account".to_owned()
        };
        return Finding::holds(EXCLUSIVE, Reason::NoForeignMembers, message);
    }
    let what = if identity.spec.pinned {
        "the pinned account is shared, so they stay"
    } else {
        "remove them, or set foreignMembers: remove in the class"
    };
    let message = format!(
        "others have a role on its Google service account: {}: {what}",
        list(foreign)
    );
    Finding::fails(EXCLUSIVE, Reason::ForeignMembers, message)
}

fn list(members: &[String]) -> String {
    let named: Vec<_> = members.iter().take(NAMED).map(String::as_str).collect();
    let more = members.len().saturating_sub(NAMED);
    let rest = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    format!("{}{rest}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use namesake_api::conditions::Status;

    use super::*;
    use crate::fixtures;

    #[test]
    fn the_message_names_at_most_five_members() {
        let identity = fixtures::identity();
        let many: Vec<_> = (0..7).map(|n| format!("user:u{n}@acme.com")).collect();
        let found = finding(&identity, &many, false);
        assert_eq!(found.status, Status::False);
        assert!(found.message.contains("u4@") && found.message.contains("and 2 more"));
        assert!(!found.message.contains("u5@"), "{}", found.message);
        assert_eq!(finding(&identity, &many, true).status, Status::True);
        assert_eq!(finding(&identity, &[], false).status, Status::True);
    }
}

//! Who else has a role on an identity's GSA: pure. Others may be there for good reasons; an admin should know of them.

use std::collections::BTreeSet;

use namesake_api::names::EXCLUSIVE;
use namesake_api::{Identity, IdentityStatus};
use namesake_gcp::Policy;

use crate::google::written::{self, Members};
use crate::identity::conditions::Finding;
use crate::identity::reason::ConditionReason;

/// As many are named.
const NAMED: usize = 5;

/// Members of the policy that are not the identity's: neither as it is called now, nor as it is recorded.
#[must_use]
pub fn members(policy: &Policy, status: &IdentityStatus, own: &Members) -> Vec<String> {
    let recorded = written::all(status).into_iter().map(|entry| entry.member);
    let ours: BTreeSet<String> = recorded
        .chain(own.binding.clone())
        .chain([own.grantee.clone()])
        .collect();
    let all: BTreeSet<&str> = policy.all_members().collect();
    let others = all.into_iter().filter(|member| !ours.contains(*member));
    // What is left of an account that is deleted is nobody.
    let others = others.filter(|member| !member.starts_with("deleted:"));
    others.map(str::to_owned).collect()
}

/// What the Identity says about them.
#[must_use]
pub fn finding(identity: &Identity, foreign: &[String], removed: bool) -> Finding {
    if foreign.is_empty() || removed {
        let message = if removed {
            format!("removed, as the class says: {}", some(foreign))
        } else {
            "nobody but this identity has a role on its Google service account".to_owned()
        };
        return Finding::holds(EXCLUSIVE, ConditionReason::OnlyOurs, message);
    }
    let what = if identity.spec.pinned {
        "the pinned account is shared, and stays so"
    } else {
        "remove them, or say foreignMembers: remove in the class"
    };
    let message = format!(
        "others have a role on its Google service account: {}: {what}",
        some(foreign)
    );
    Finding::fails(EXCLUSIVE, ConditionReason::ForeignMembers, message)
}

fn some(members: &[String]) -> String {
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
    fn others_are_named_and_not_without_end() {
        let identity = fixtures::identity();
        let many: Vec<_> = (0..7).map(|n| format!("user:u{n}@acme.com")).collect();
        let said = finding(&identity, &many, false);
        assert_eq!(said.status, Status::False);
        assert!(said.message.contains("u4@") && said.message.contains("and 2 more"));
        assert!(!said.message.contains("u5@"), "{}", said.message);
        assert_eq!(finding(&identity, &many, true).status, Status::True);
        assert_eq!(finding(&identity, &[], false).status, Status::True);
    }
}

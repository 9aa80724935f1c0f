//! A change of a policy, as data, so that several can be put into one write and told apart afterwards. Pure.

use crate::{Condition, Policy};

/// One change of a policy. `Add` and `Remove` also remove what is left of deleted accounts with the member's e-mail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Edit {
    /// Grants the role to the member.
    Add(MemberBinding),
    /// Revokes the role from the member, under exactly this condition.
    Remove(MemberBinding),
    /// Revokes every role from the member.
    RemoveMember(String),
}

/// One member with one role, under a condition or none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberBinding {
    /// Role, such as `roles/storage.objectUser`.
    pub role: String,
    /// Member, as Google names it.
    pub member: String,
    /// When the role applies; `None`: always.
    pub condition: Option<Condition>,
}

impl MemberBinding {
    /// A binding without a condition.
    pub fn new(role: impl Into<String>, member: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            member: member.into(),
            condition: None,
        }
    }
}

impl Edit {
    /// Grants a role without a condition.
    pub fn add(role: impl Into<String>, member: impl Into<String>) -> Self {
        Self::Add(MemberBinding::new(role, member))
    }

    /// Revokes a role that has no condition.
    pub fn remove(role: impl Into<String>, member: impl Into<String>) -> Self {
        Self::Remove(MemberBinding::new(role, member))
    }

    /// Whether it grants something.
    #[must_use]
    pub const fn adds(&self) -> bool {
        matches!(self, Self::Add(_))
    }

    /// Applies the change, and returns whether it changed anything.
    pub fn apply(&self, policy: &mut Policy) -> bool {
        match self {
            Self::Add(b) => policy.add(&b.role, &b.member, b.condition.as_ref()),
            Self::Remove(b) => policy.remove(&b.role, &b.member, b.condition.as_ref()),
            Self::RemoveMember(member) => policy.remove_member(member),
        }
    }

    /// Whether Google's message blames this change: it grants something, and the message names its role, its member, or
    /// the pool of its member.
    #[must_use]
    pub fn is_blamed(&self, message: &str) -> bool {
        let Self::Add(MemberBinding { role, member, .. }) = self else {
            return false;
        };
        let account = member.split_once(':').map_or("", |(_, rest)| rest);
        // `serviceAccount:POOL[NAMESPACE/NAME]`, or the part of a `principal://` after workloadIdentityPools.
        let pool = account.split('[').next().unwrap_or_default();
        let pool = pool
            .split_once("/workloadIdentityPools/")
            .map_or(pool, |(_, rest)| rest.split('/').next().unwrap_or_default());
        let is_separator = |c: char| c.is_whitespace() || "()'\"`,;".contains(c);
        message
            .split(is_separator)
            .map(|word| word.trim_end_matches(['.', ':']))
            .filter(|word| !word.is_empty())
            .any(|word| [role.as_str(), member, account, pool].contains(&word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = "Identity Pool does not exist (acme.svc.id.goog). Please check that you specified a valid resource name.";

    #[test]
    fn googles_message_tells_which_change_is_to_blame() {
        let role = "roles/storage.objectUser";
        let alice = Edit::add(role, "serviceAccount:mf-a@p.iam.gserviceaccount.com");
        let bob = Edit::add("roles/x", "serviceAccount:mf-ab@p.iam.gserviceaccount.com");
        let unseen = "Service account mf-a@p.iam.gserviceaccount.com does not exist.";
        assert!(alice.is_blamed(unseen) && !bob.is_blamed(unseen));
        let unsupported = "Role roles/x is not supported for this resource.";
        assert!(!alice.is_blamed(unsupported) && bob.is_blamed(unsupported));
        let custom = Edit::add("projects/p/roles/y", "user:a@x");
        assert!(
            custom
                .is_blamed("Role (projects/p/roles/y) does not exist in the resource's hierarchy.")
        );
        assert!(!alice.is_blamed("The size of the policy is too large."));
        assert!(!alice.is_blamed(""));
    }

    #[test]
    fn a_missing_pool_is_blamed_on_its_members() {
        for member in [
            "serviceAccount:acme.svc.id.goog[n/k]",
            "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/acme.svc.id.goog/subject/ns/n/sa/k",
        ] {
            assert!(Edit::add("roles/x", member).is_blamed(POOL), "{member}");
        }
        assert!(!Edit::add("roles/x", "serviceAccount:other.svc.id.goog[n/k]").is_blamed(POOL));
    }

    #[test]
    fn a_revocation_is_never_to_blame() {
        let edit = Edit::remove("roles/x", "user:a@x");
        assert!(!edit.is_blamed("Role roles/x is not supported for this resource."));
    }
}

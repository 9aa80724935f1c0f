//! One change of a policy, as data: several of them can be put into one write, and told apart afterwards. Pure.

use crate::{Condition, Policy};

/// One change of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Edit {
    /// The member gets the role; what is left of deleted accounts of its e-mail goes.
    Add(Entry),
    /// The member loses the role under exactly this condition; what is left of deleted accounts of its e-mail goes.
    Remove(Entry),
    /// The member loses every role.
    RemoveMember(String),
}

/// Who has which role, and when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Role, such as `roles/storage.objectUser`.
    pub role: String,
    /// Member, as Google names it.
    pub member: String,
    /// When the role applies; always, if there is none.
    pub condition: Option<Condition>,
}

impl Edit {
    /// Gives a role.
    pub fn add(role: impl Into<String>, member: impl Into<String>) -> Self {
        Self::Add(Entry::new(role, member))
    }

    /// Takes a role.
    pub fn remove(role: impl Into<String>, member: impl Into<String>) -> Self {
        Self::Remove(Entry::new(role, member))
    }

    /// Whether it gives something.
    #[must_use]
    pub const fn adds(&self) -> bool {
        matches!(self, Self::Add(_))
    }

    /// Does it; whether it changed anything.
    pub fn apply(&self, policy: &mut Policy) -> bool {
        match self {
            Self::Add(e) => policy.put(&e.role, &e.member, e.condition.as_ref()),
            Self::Remove(e) => policy.take(&e.role, &e.member, e.condition.as_ref()),
            Self::RemoveMember(member) => policy.take_all(member),
        }
    }

    /// Whether a refusal in these words is about this change: it gives something, and they name its role, its member,
    /// or the pool of its member.
    #[must_use]
    pub fn is_blamed(&self, message: &str) -> bool {
        let Self::Add(Entry { role, member, .. }) = self else {
            return false;
        };
        let account = member.split_once(':').map_or("", |(_, rest)| rest);
        // `serviceAccount:POOL[NAMESPACE/NAME]`, or the part of a `principal://` after the pools.
        let pool = account.split('[').next().unwrap_or_default();
        let pool = pool
            .split_once("/workloadIdentityPools/")
            .map_or(pool, |(_, rest)| rest.split('/').next().unwrap_or_default());
        let around = |c: char| c.is_whitespace() || "()'\"`,;".contains(c);
        message
            .split(around)
            .map(|word| word.trim_end_matches(['.', ':']))
            .filter(|word| !word.is_empty())
            .any(|word| [role.as_str(), member, account, pool].contains(&word))
    }
}

impl Entry {
    /// Without a condition.
    pub fn new(role: impl Into<String>, member: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            member: member.into(),
            condition: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = "Identity Pool does not exist (acme.svc.id.goog). Please check that you specified a valid resource name.";

    #[test]
    fn googles_words_tell_whose_fault_it_is() {
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
    fn a_missing_pool_is_the_fault_of_its_members() {
        for member in [
            "serviceAccount:acme.svc.id.goog[n/k]",
            "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/acme.svc.id.goog/subject/ns/n/sa/k",
        ] {
            assert!(Edit::add("roles/x", member).is_blamed(POOL), "{member}");
        }
        assert!(!Edit::add("roles/x", "serviceAccount:other.svc.id.goog[n/k]").is_blamed(POOL));
    }

    #[test]
    fn taking_something_away_is_nobodys_fault() {
        let edit = Edit::remove("roles/x", "user:a@x");
        assert!(!edit.is_blamed("Role roles/x is not supported for this resource."));
    }
}

//! Who is allowed to have an identity of a class, and who is offboarded.

use std::collections::BTreeSet;

use crate::{
    names::quoted,
    reason::Reason,
    rules::{Class, Rules},
    user::User,
};

use super::Refusal;

/// Whether a user is offboarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserStatus {
    /// Not offboarded.
    Active,
    /// Listed under `offboarded`.
    Offboarded,
    /// Listed under `returned`: the same person as before, who gets the same identity again.
    Returned,
}

impl Rules {
    /// Whether a user is offboarded.
    #[must_use]
    pub fn is_offboarded(&self, user: &User) -> bool {
        self.model.offboarded.contains(user)
    }

    /// Whether the user in the spec of an Identity is offboarded. An empty one, of a class that is not per user, never is.
    #[must_use]
    pub fn user_status(&self, user: &str) -> UserStatus {
        let is_in =
            |users: &BTreeSet<User>| User::exact(user).is_ok_and(|user| users.contains(&user));
        if is_in(&self.model.offboarded) {
            UserStatus::Offboarded
        } else if is_in(&self.model.returned) {
            UserStatus::Returned
        } else {
            UserStatus::Active
        }
    }

    /// Checks `for` of a class: it must have the user or one of the groups, and the namespace.
    pub(crate) fn check_entitled(
        &self,
        class: &Class,
        user: &User,
        is_member: impl Fn(&str) -> bool,
        namespace: &str,
    ) -> Result<(), Refusal> {
        self.check_namespace(class, Some(user), namespace)?;
        if class.entitlement.includes_user(user, is_member) {
            return Ok(());
        }
        let what = format!(
            "Class {} is not for {user}, nor for a group that {user} is proven to be in.",
            class.name
        );
        Err(self.refuse_entitlement(&what, "the user"))
    }

    pub(super) fn check_namespace(
        &self,
        class: &Class,
        user: Option<&User>,
        namespace: &str,
    ) -> Result<(), Refusal> {
        if class.entitlement.includes_namespace(namespace) {
            return Ok(());
        }
        let by = user.map(|user| format!(", where {user} requested it"));
        let what = format!(
            "Class {} is not for namespace {}{}.",
            class.name,
            quoted(namespace),
            by.unwrap_or_default()
        );
        Err(self.refuse_entitlement(&what, "the namespace"))
    }

    fn refuse_entitlement(&self, what: &str, missing: &str) -> Refusal {
        let message = format!(
            "{what} Ask the admin of stack {} to add {missing} to the class, or for another rule.",
            self.stack()
        );
        Refusal::new(Reason::NotEntitled, message)
    }

    pub(crate) fn refuse_offboarded(&self, user: &User) -> Refusal {
        let message = format!(
            "{user} is offboarded in the rules of stack {}. Ask your admin if that is wrong.",
            self.stack()
        );
        Refusal::new(Reason::Offboarded, message)
    }

    pub(crate) fn refuse_unknown_class(&self, class: &str) -> Refusal {
        let message = format!(
            "The rules of stack {} have no class {}. Try again in a minute, or ask your admin if it lasts.",
            self.stack(),
            quoted(class)
        );
        Refusal::new(Reason::UnknownClass, message)
    }
}

/// What an edit of the rules does to something that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EditEffect {
    /// It stays as it is.
    Keeps,
    /// It gets another account.
    Changes,
    /// It is taken away.
    Loses,
}

impl Rules {
    /// What an edit to `new` does to an existing identity of this class and user (empty if the class is not per user). Groups of the
    /// user are not known, and count as before.
    #[must_use]
    pub fn effect_on_identity(
        &self,
        new: &Rules,
        namespace: &str,
        class: &str,
        user: &str,
    ) -> EditEffect {
        let Some(edited) = new.class(class) else {
            return EditEffect::Loses;
        };
        let user = User::exact(user).ok();
        let allowed = match &user {
            Some(user) if new.is_offboarded(user) => return EditEffect::Loses,
            Some(user) => new.check_entitled(edited, user, |_| true, namespace),
            None => new.check_namespace(edited, None, namespace),
        };
        if allowed.is_err() {
            return EditEffect::Loses;
        }
        let Some(class) = self.class(class) else {
            return EditEffect::Keeps;
        };
        // The values of an existing identity do not fit another list of keys.
        if class.per != edited.per {
            return EditEffect::Loses;
        }
        let account = |rules: &'_ Rules, class: &Class| {
            let pin = user.as_ref().filter(|_| class.is_personal());
            let pin = pin.and_then(|user| rules.model.pins.get(user).cloned());
            (
                class.mode,
                pin.is_none().then(|| class.project.clone()),
                pin,
            )
        };
        if account(self, class) == account(new, edited) {
            EditEffect::Keeps
        } else {
            EditEffect::Changes
        }
    }

    /// Whether an edit to `new` removes a grant of this class. A class that is removed takes its identities away instead.
    #[must_use]
    pub fn loses_grant(&self, new: &Rules, class: &str) -> bool {
        let classes = self.class(class).zip(new.class(class));
        classes.is_some_and(|(old, new)| old.grants.iter().any(|grant| !new.grants.contains(grant)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::fixtures::{EXAMPLE, everything, rules};

    #[test]
    fn an_edit_takes_an_identity_away_changes_its_account_or_keeps_it() {
        let old = rules(EXAMPLE);
        let effect =
            |new: &Rules| old.effect_on_identity(new, "research", "research", "alice@acme.com");
        assert_eq!(effect(&old), EditEffect::Keeps);
        for (from, to, expected) in [
            ("- {name: everyone", "- {name: all", EditEffect::Keeps),
            (
                "offboarded: [mallory",
                "offboarded: [alice",
                EditEffect::Loses,
            ),
            (
                "groups: [research@acme.com], namespaces: [research]",
                "namespaces: [prod]",
                EditEffect::Loses,
            ),
            ("per: [user]", "per: [user, flow]", EditEffect::Loses),
            (
                "project: acme-identities",
                "project: acme-others",
                EditEffect::Changes,
            ),
            ("mode: impersonate", "mode: direct", EditEffect::Changes),
            (
                "  bob@acme.com: bob-ml",
                "  alice@acme.com: alice-ml",
                EditEffect::Changes,
            ),
            (
                "  bob@acme.com: bob-ml",
                "  carol@acme.com: carol-ml",
                EditEffect::Keeps,
            ),
            (
                "grants: [{role: roles/storage.objectUser, bucket: acme-mf, folder: \"users/{key}/\"}]",
                "grants: []",
                EditEffect::Keeps,
            ),
        ] {
            assert!(EXAMPLE.contains(from), "{from}");
            assert_eq!(effect(&rules(&EXAMPLE.replace(from, to))), expected, "{to}");
        }
        let without = EXAMPLE
            .replace("- name: research", "- name: other")
            .replace("identity: research", "identity: other");
        assert_eq!(effect(&rules(&without)), EditEffect::Loses);
    }

    #[test]
    fn an_edit_removes_a_grant_only_from_a_class_that_stays() {
        let old = rules(EXAMPLE);
        let loses = |new: &str| old.loses_grant(&rules(new), "research");
        assert!(!loses(EXAMPLE));
        assert!(loses(&EXAMPLE.replace(
            "objectUser, bucket: acme-mf, folder",
            "objectViewer, bucket: acme-mf, folder"
        )));
        let without = EXAMPLE
            .replace("- name: research", "- name: other")
            .replace("identity: research", "identity: other");
        assert!(!loses(&without));
    }

    #[test]
    fn an_offboarded_user_returns_only_by_the_rules() {
        let rules = everything();
        assert_eq!(
            rules.user_status("mallory@acme.com"),
            UserStatus::Offboarded
        );
        assert_eq!(rules.user_status("grace@acme.com"), UserStatus::Returned);
        for user in ["alice@acme.com", "", "not a user/"] {
            assert_eq!(rules.user_status(user), UserStatus::Active, "{user}");
        }
    }
}

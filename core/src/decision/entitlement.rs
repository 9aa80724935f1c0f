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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::fixtures::everything;

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

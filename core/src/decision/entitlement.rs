//! Who may have an identity of a class, and who is offboarded.

use std::collections::HashSet;

use crate::{
    names::quoted,
    reason::Reason,
    rules::{Class, Rules},
    user::User,
};

use super::Refusal;

/// Where a user stands in the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Neither of the two below.
    Here,
    /// Has left.
    Offboarded,
    /// Has left and is back: the same person, who gets the same identity again.
    Returned,
}

impl Rules {
    /// Whether a user has left.
    #[must_use]
    pub fn is_offboarded(&self, user: &User) -> bool {
        self.offboarded.contains(user)
    }

    /// Where a user stands, as an Identity names the user; the user of a class that is not per user, the empty one, is here.
    #[must_use]
    pub fn standing(&self, user: &str) -> Standing {
        let is_in =
            |users: &HashSet<User>| User::exact(user).is_ok_and(|user| users.contains(&user));
        if is_in(&self.offboarded) {
            Standing::Offboarded
        } else if is_in(&self.returned) {
            Standing::Returned
        } else {
            Standing::Here
        }
    }

    /// `for:` of a class: the user or one of the groups, in one of the namespaces.
    pub(crate) fn check_entitled(
        &self,
        class: &Class,
        user: &User,
        is_member: impl Fn(&str) -> bool,
        namespace: &str,
    ) -> Result<(), Refusal> {
        let entitled = &class.entitled;
        self.check_namespace(class, user.as_str(), namespace)?;
        if entitled
            .users
            .iter()
            .any(|glob| glob.matches(user.as_str()))
            || entitled.groups.iter().any(|group| is_member(group))
        {
            return Ok(());
        }
        let what = format!(
            "Class {} is not for {user}, nor for a group that {user} is proven to be in.",
            class.name
        );
        Err(self.not_entitled(&what))
    }

    pub(super) fn check_namespace(
        &self,
        class: &Class,
        user: &str,
        namespace: &str,
    ) -> Result<(), Refusal> {
        let globs = class.entitled.namespaces.as_ref();
        if globs.is_none_or(|globs| globs.iter().any(|glob| glob.matches(namespace))) {
            return Ok(());
        }
        let what = format!(
            "Class {} is not for namespace {}, where {user} asks for it.",
            class.name,
            quoted(namespace)
        );
        Err(self.not_entitled(&what))
    }

    fn not_entitled(&self, what: &str) -> Refusal {
        let message = format!(
            "{what} Ask the admin of stack {} to add it to the class, or for another rule.",
            self.stack()
        );
        Refusal::new(Reason::NotEntitled, message)
    }

    pub(crate) fn offboarded(&self, user: &User) -> Refusal {
        let message = format!(
            "{user} has left: the rules of stack {} list this user as offboarded. Ask your admin if that is wrong.",
            self.stack()
        );
        Refusal::new(Reason::Offboarded, message)
    }

    pub(crate) fn unknown_class(&self, class: &str) -> Refusal {
        let message = format!(
            "The rules of stack {} have no class {}. Try again when the rules have settled.",
            self.stack(),
            quoted(class)
        );
        Refusal::new(Reason::UnknownClass, message)
    }
}

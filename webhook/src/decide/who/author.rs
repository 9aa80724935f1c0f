//! The author of a change: what a requester is to an object that already exists, for every kind.

use namesake_core::{Launcher, User};

use super::{is_carrier, requester, requesting};
use crate::decide::context::AdmissionContext;
use crate::review::{Metadata, UserInfo};

/// The standing of a requester to an existing object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A trusted controller that creates such objects, or creates others from them: what it writes follows from existing objects.
    Carrier,
    /// A listed updater such as Kueue: the same.
    Updater,
    /// An admin: what they write is intended.
    Admin,
    /// The user as whom its pods run.
    Owner,
    /// The person who started a Workflow that runs as the deployer of its template.
    Starter,
    /// Anybody else.
    Other,
}

/// The requester of a change of an object.
#[derive(Clone, Debug)]
pub struct Author {
    // Their standing by the rules, for any object.
    by_rules: Option<Standing>,
    // The name that the API server gave them, if that name alone proves who they are.
    name: Option<String>,
    // The user that the rules map them to.
    user: Option<User>,
}

impl Author {
    /// The author of a request. `old` is the metadata of the object before the change; `launchers` are the kinds of parents
    /// whose trusted controllers may write it.
    #[must_use]
    pub fn of(
        context: &AdmissionContext,
        info: &UserInfo<'_>,
        old: &Metadata<'_>,
        launchers: impl IntoIterator<Item = Launcher>,
    ) -> Author {
        let requester = requester(info);
        let mut launchers = launchers.into_iter();
        let by_rules = if launchers.any(|launcher| is_carrier(context, &requester, launcher)) {
            Some(Standing::Carrier)
        } else if context.rules.is_updater(&requester) {
            Some(Standing::Updater)
        } else if context.rules.is_admin(&requester) {
            Some(Standing::Admin)
        } else {
            None
        };
        let user = requesting(context, info, old, Launcher::Job).user.ok();
        // A managed account acts as its user only, and whoever impersonates a service account is not that account.
        let is_proven = requester.is_proven() && context.acts_for.is_none();
        Author {
            by_rules,
            name: is_proven.then_some(requester.username),
            user,
        }
    }

    /// Their standing to an object; `is` determines it from the stamp, unless the rules do.
    #[must_use]
    pub fn standing(&self, is: impl FnOnce(&Author) -> Standing) -> Standing {
        self.by_rules.unwrap_or_else(|| is(self))
    }

    /// Whether this is whom a stamp names: the same requester, or another requester of the same user.
    #[must_use]
    pub fn is(&self, requester: &str, user: Option<&User>) -> bool {
        self.name.as_deref() == Some(requester) || (user.is_some() && self.user.as_ref() == user)
    }
}

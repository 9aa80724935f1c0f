//! The author of a change: the one place that says what a requester is to an object that already exists, for every kind.

use namesake_core::{Launcher, User};

use super::{asking, is_carrier, requester};
use crate::decide::context::AdmissionContext;
use crate::review::{Metadata, UserInfo};

/// What the rules trust a requester with, whoever the object belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A controller that makes such objects, or makes something of them: what it writes follows from what is there.
    Carrier,
    /// A listed updater such as Kueue.
    Updater,
    /// An admin.
    Admin,
    /// Nothing: what they may change depends on whose the object is.
    Nothing,
}

/// Who asks for a change of an object.
#[derive(Clone, Debug)]
pub struct Author {
    /// What the rules trust them with.
    pub trust: Trust,
    // The name that the API server gave them, if that name alone proves who they are.
    name: Option<String>,
    // The user that the rules make of them.
    user: Option<User>,
}

impl Author {
    /// The author of a request. `old` is the metadata of the object before the change; `launchers` are the kinds of parents
    /// whose carriers may write it.
    #[must_use]
    pub fn of(
        context: &AdmissionContext<'_>,
        info: &UserInfo<'_>,
        old: &Metadata<'_>,
        launchers: impl IntoIterator<Item = Launcher>,
    ) -> Author {
        let asks = requester(info);
        let rules = context.rules;
        let mut launchers = launchers.into_iter();
        let trust = if launchers.any(|launcher| is_carrier(context, &asks, launcher)) {
            Trust::Carrier
        } else if rules.is_updater(&asks) {
            Trust::Updater
        } else if rules.is_admin(&asks) {
            Trust::Admin
        } else {
            Trust::Nothing
        };
        let user = asking(context, info, old, Launcher::Job).user.ok();
        // A managed account is its user or nobody, and whoever impersonates a service account is not that account.
        let is_proven = asks.is_proven() && context.acts_for.is_none();
        Author {
            trust,
            name: is_proven.then_some(asks.username),
            user,
        }
    }

    /// Whether this is who a stamp names: the same requester, or another requester of the same user.
    #[must_use]
    pub fn is(&self, requester: &str, user: Option<&User>) -> bool {
        self.name.as_deref() == Some(requester) || (user.is_some() && self.user.as_ref() == user)
    }
}

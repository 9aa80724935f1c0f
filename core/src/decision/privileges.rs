//! Requesters with privileges: admins, updaters, and carriers (trusted controllers).

use crate::{
    rules::{Launcher, Rules, built_in_carriers, is_carrier},
    user::{Requester, canonical_case},
};

impl Rules {
    /// Whether the requester is a carrier for this kind of parent: a trusted controller, and what it creates belongs to the
    /// user of its parent. Nobody who impersonates the controller is one.
    #[must_use]
    pub fn is_carrier(&self, requester: &Requester, parent: Launcher) -> bool {
        requester.is_proven() && is_carrier(&self.model.carriers, &requester.username, Some(parent))
    }

    /// Whether the requester is in `admins`, by default the group `system:masters`. Nobody who impersonates a service account is.
    #[must_use]
    pub fn is_admin(&self, requester: &Requester) -> bool {
        let admins = &self.model.admins;
        let name = canonical_case(&requester.username);
        !name.is_empty()
            && requester.is_proven()
            && (admins.users.iter().any(|glob| glob.matches(&name))
                || requester
                    .groups
                    .iter()
                    .any(|group| admins.groups.contains(group)))
    }

    /// Whether every member of a group is an admin.
    #[must_use]
    pub fn is_admin_group(&self, group: &str) -> bool {
        self.model
            .admins
            .groups
            .iter()
            .any(|admins| admins == group)
    }

    /// The usernames of all carriers, the built-in ones first.
    pub fn carriers(&self) -> impl Iterator<Item = &str> {
        let listed = self.model.carriers.iter();
        built_in_carriers().chain(listed.map(|carrier| carrier.account.as_str()))
    }

    /// Whether the requester is in `updaters`, such as Kueue: allowed to change objects of all users. By default nobody is.
    #[must_use]
    pub fn is_updater(&self, requester: &Requester) -> bool {
        let updaters = &self.model.updaters;
        requester.is_proven() && updaters.contains(&requester.username)
    }
}

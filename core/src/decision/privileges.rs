//! Requesters with privileges: admins, carriers and updaters.

use crate::{
    rules::{Launcher, Rules, built_in_carriers, carries},
    user::{Requester, canonical_case},
};

impl Rules {
    /// Whether the requester is a controller whose children belong to their parent's user, for this kind of parent.
    /// A service account without its credential id is somebody who impersonates it.
    #[must_use]
    pub fn is_carrier(&self, requester: &Requester, parent: Launcher) -> bool {
        requester.is_itself() && carries(&self.model.carriers, &requester.username, Some(parent))
    }

    /// Whether the requester may do what nobody else may: `admins`, by default the group `system:masters`. Not who
    /// impersonates a service account of theirs.
    #[must_use]
    pub fn is_admin(&self, requester: &Requester) -> bool {
        let admins = &self.model.admins;
        let name = canonical_case(&requester.username);
        !name.is_empty()
            && requester.is_itself()
            && (admins.users.iter().any(|glob| glob.matches(&name))
                || requester
                    .groups
                    .iter()
                    .any(|group| admins.groups.contains(group)))
    }

    /// Whether everybody in a group is an admin.
    #[must_use]
    pub fn is_admin_group(&self, group: &str) -> bool {
        self.model
            .admins
            .groups
            .iter()
            .any(|admins| admins == group)
    }

    /// The accounts of all carriers, as the API server names them; the built-in ones are the first.
    pub fn carriers(&self) -> impl Iterator<Item = &str> {
        let listed = self.model.carriers.iter();
        built_in_carriers().chain(listed.map(|carrier| carrier.account.as_str()))
    }

    /// Whether the requester may change what others run, such as Kueue: `updaters`, by default nobody.
    #[must_use]
    pub fn is_updater(&self, requester: &Requester) -> bool {
        let updaters = &self.model.updaters;
        requester.is_itself() && updaters.contains(&requester.username)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::fixtures::{everything, example, requester};

    #[test]
    fn a_carrier_that_is_impersonated_is_not_one() {
        let rules = everything();
        let job_controller = requester("system:serviceaccount:kube-system:job-controller");
        let impersonated = Requester {
            has_credential_id: false,
            ..job_controller.clone()
        };
        let jobset = requester("system:serviceaccount:jobset-system:jobset-controller-manager");
        assert!(rules.is_carrier(&job_controller, Launcher::Job));
        assert!(!rules.is_carrier(&job_controller, Launcher::CronJob));
        assert!(!rules.is_carrier(&impersonated, Launcher::Job));
        assert!(rules.is_carrier(&jobset, Launcher::JobSet));
        assert!(!rules.is_carrier(&jobset, Launcher::Job));
        assert!(!example().is_carrier(&jobset, Launcher::JobSet));
        assert!(!rules.is_carrier(&requester("alice@acme.com"), Launcher::Job));
    }

    #[test]
    fn admins_and_updaters_are_those_in_the_rules() {
        let in_group = |group: &str| Requester {
            groups: vec![group.to_owned()],
            ..requester("eve@acme.com")
        };
        assert!(example().is_admin(&in_group("system:masters")));
        assert!(!example().is_admin(&in_group("platform@acme.com")));
        let rules = everything();
        assert!(rules.is_admin(&in_group("platform@acme.com")));
        assert!(
            rules.is_admin_group("platform@acme.com") && !rules.is_admin_group("system:masters")
        );
        assert!(rules.is_admin(&requester("Root@acme.com")));
        assert!(!rules.is_admin(&in_group("system:masters")));
        assert!(!rules.is_admin(&requester("")));
        let kueue = requester("system:serviceaccount:kueue-system:kueue-controller-manager");
        assert!(rules.is_updater(&kueue));
        let impersonated = Requester {
            has_credential_id: false,
            ..kueue
        };
        assert!(!rules.is_updater(&impersonated));
        assert!(
            !rules.is_updater(&requester("alice@acme.com"))
                && !example().is_updater(&requester(""))
        );
    }

    #[test]
    fn carriers_are_the_built_in_ones_and_those_in_the_rules() {
        let rules = everything();
        let carriers: Vec<_> = rules.carriers().collect();
        assert_eq!(
            carriers[..2],
            [
                "system:serviceaccount:kube-system:job-controller",
                "system:serviceaccount:kube-system:cronjob-controller"
            ]
        );
        assert!(carriers.len() > 2, "{carriers:?}");
        for carrier in carriers {
            let any = [
                Launcher::Job,
                Launcher::CronJob,
                Launcher::JobSet,
                Launcher::Workflow,
            ];
            let of_any = |kind: &Launcher| rules.is_carrier(&requester(carrier), *kind);
            assert!(any.iter().any(of_any), "{carrier}");
        }
    }
}

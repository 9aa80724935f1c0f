//! Service accounts that are not managed: which pods are allowed to run as them.

use crate::{
    names::{Glob, is_managed_name},
    rules::{Effect, Rule, Rules},
    user::{Groups, User},
};

impl Rules {
    /// Whether a pod that gets nothing may name this service account. A managed one never; one that a rule gives only if
    /// `allowedServiceAccounts` has its full name, so that a wide glob does not give it to everybody.
    #[must_use]
    pub fn allows_service_account(&self, name: &str) -> bool {
        let is_given = |rule: &Rule| rule.effect.gives_account(name);
        let allowed: &[Glob] = &self.model.allowed_service_accounts;
        let mut allowed = allowed.iter().filter(|glob| glob.matches(name));
        !is_managed_name(name)
            && allowed.any(|glob| glob.is_exact() || !self.model.rules.iter().any(is_given))
    }

    /// Whether only rules give this service account: a rule names it, and [`Rules::allows_service_account`] does not allow it.
    #[must_use]
    pub fn is_reserved_service_account(&self, name: &str) -> bool {
        let mut rules = self.model.rules.iter();
        rules.any(|rule| rule.effect.gives_account(name)) && !self.allows_service_account(name)
    }

    /// Whether this user could get some pod to run as this service account here. Conditions on the pod itself are ignored,
    /// because the user can fulfill them.
    #[must_use]
    pub fn can_run_as_service_account(
        &self,
        name: &str,
        (user, groups): (&User, &Groups),
        namespace: &str,
    ) -> bool {
        if self.is_offboarded(user) {
            return false;
        }
        let rules = self.model.rules.iter();
        let mut rules = rules.filter(|rule| rule.can_match((user, groups), namespace));
        let decides =
            |rule: &&Rule| rule.effect.gives_account(name) || !rule.conditions.depend_on_pod();
        rules
            .find(decides)
            .is_some_and(|rule| rule.effect.gives_account(name))
    }
}

impl Effect {
    /// Whether it gives this service account.
    fn gives_account(&self, name: &str) -> bool {
        matches!(self, Effect::ServiceAccount { service_account } if service_account == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::fixtures::{EXAMPLE, everything, example, groups, rules, user};

    #[test]
    fn managed_accounts_are_never_allowed() {
        let rules = rules(&EXAMPLE.replace("noMatch: deny", "allowedServiceAccounts: [\"*\"]"));
        assert!(rules.allows_service_account("default"));
        assert!(rules.allows_service_account("other"));
        assert!(!rules.allows_service_account("mf-alice-4k72lwgc2tsmxd"));
        let rules = example();
        assert!(rules.allows_service_account("default"));
        assert!(!rules.allows_service_account("other"));
    }

    #[test]
    fn an_account_that_a_rule_gives_is_allowed_only_by_its_full_name() {
        let allowing = |globs: &str| {
            rules(&EXAMPLE.replace("noMatch: deny", &format!("allowedServiceAccounts: {globs}")))
        };
        let wide = allowing("[\"metaflow-*\"]");
        assert!(wide.allows_service_account("metaflow-other"));
        assert!(!wide.allows_service_account("metaflow-billing"));
        let listed = allowing("[\"metaflow-*\", metaflow-billing]");
        assert!(listed.allows_service_account("metaflow-billing"));
    }

    #[test]
    fn only_users_whom_a_rule_could_give_an_account_can_run_as_it() {
        let rules = everything();
        assert!(rules.is_reserved_service_account("metaflow-billing"));
        assert!(!rules.is_reserved_service_account("default"));
        let may = |who: &str, of: &[&str], namespace: &str| {
            let groups = groups(&rules, of);
            rules.can_run_as_service_account("metaflow-billing", (&user(who), &groups), namespace)
        };
        let billing = ["billing@acme.com"];
        assert!(may("alice@acme.com", &billing, "prod"));
        assert!(!may("alice@acme.com", &[], "prod"), "not in the group");
        assert!(
            !may("alice@acme.com", &billing, "research"),
            "another namespace"
        );
        let barred = ["billing@acme.com", "barred@acme.com"];
        assert!(
            !may("alice@acme.com", &barred, "prod"),
            "a rule before it refuses"
        );
        assert!(!may("mallory@acme.com", &billing, "prod"), "offboarded");
        let unknown = Groups::default();
        let alice = user("alice@acme.com");
        assert!(!rules.can_run_as_service_account("metaflow-billing", (&alice, &unknown), "prod"));
    }
}

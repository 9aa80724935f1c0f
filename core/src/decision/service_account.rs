//! Which service accounts that are not managed a pod may run as.

use crate::{
    names::{Glob, is_managed_name},
    rules::{Effect, Rule, Rules},
    user::{Groups, User},
};

impl Rules {
    /// Whether a pod that is kept as it is may name this service account. Never a managed one; one that a rule gives to
    /// whom it proves only if it is listed by its full name, so that a wide glob does not give it to everybody else.
    #[must_use]
    pub fn allows_service_account(&self, name: &str) -> bool {
        let given = |rule: &Rule| rule.effect.is_account(name);
        let allowed: &[Glob] = &self.model.allowed_service_accounts;
        let mut allowed = allowed.iter().filter(|glob| glob.matches(name));
        !is_managed_name(name)
            && allowed.any(|glob| glob.is_exact() || !self.model.rules.iter().any(given))
    }

    /// Whether this account is only for whom a rule gives it to: neither managed, nor open to every pod.
    #[must_use]
    pub fn keeps_service_account(&self, name: &str) -> bool {
        let mut rules = self.model.rules.iter();
        rules.any(|rule| rule.effect.is_account(name)) && !self.allows_service_account(name)
    }

    /// Whether this user could run a pod as this account here, whatever else the pod says and whoever makes it. What a rule
    /// asks besides anybody can write, or make.
    #[must_use]
    pub fn may_have_service_account(
        &self,
        name: &str,
        (user, groups): (&User, &Groups),
        namespace: &str,
    ) -> bool {
        if self.is_offboarded(user) {
            return false;
        }
        let (of, to) = (&self.model.rules, (user, groups));
        let mut matching = of.iter().filter(|rule| rule.is_for(to, namespace));
        let decides = matching.find(|rule| rule.effect.is_account(name) || !rule.on.narrows());
        decides.is_some_and(|rule| rule.effect.is_account(name))
    }
}

impl Effect {
    /// Whether it gives this account.
    pub(crate) fn is_account(&self, name: &str) -> bool {
        matches!(self, Effect::ServiceAccount { service_account } if service_account == name)
    }
}

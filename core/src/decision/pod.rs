//! Deciding what a pod gets: the first rule that matches applies.

use crate::{
    reason::Reason,
    rules::{Effect, NoMatch, Rule, Rules},
    user::Membership,
};

use super::{Decision, IdentityChoice, Refusal, Subject};

impl Rules {
    /// Decides what a pod gets. The cost does not depend on the number of pins.
    #[must_use]
    pub fn decide(&self, subject: &Subject<'_>) -> Decision {
        if self.is_offboarded(subject.user) {
            return Decision::Deny(self.refuse_offboarded(subject.user));
        }
        let Some(rule) = self.model.rules.iter().find(|rule| rule.matches(subject)) else {
            return match self.no_match() {
                NoMatch::Keep => Decision::Keep,
                NoMatch::Deny => Decision::Deny(self.refuse_without_rule(subject)),
            };
        };
        match &rule.effect {
            Effect::Deny { deny } => {
                let message = format!(
                    "Rule {} refuses pods of {} here: {deny}",
                    rule.name, subject.user
                );
                Decision::Deny(Refusal::by_rule(&rule.name, Reason::DeniedByRule, message))
            }
            Effect::ServiceAccount { service_account } => Decision::ServiceAccount {
                rule: rule.name.clone(),
                name: service_account.clone(),
            },
            Effect::Identity { identity } => match self.choose_identity(rule, identity, subject) {
                Ok(choice) => Decision::Identity(choice),
                Err(Refusal {
                    reason, message, ..
                }) => {
                    let message = format!("Rule {} matched this pod. {message}", rule.name);
                    Decision::Deny(Refusal::by_rule(&rule.name, reason, message))
                }
            },
        }
    }

    fn choose_identity(
        &self,
        rule: &Rule,
        class: &str,
        subject: &Subject<'_>,
    ) -> Result<IdentityChoice, Refusal> {
        let class = self
            .class(class)
            .ok_or_else(|| self.refuse_unknown_class(class))?;
        self.check_entitled(
            class,
            subject.user,
            |group| subject.groups.membership(group) == Membership::In,
            subject.namespace,
        )?;
        let values = class.values(subject)?;
        Ok(IdentityChoice {
            rule: rule.name.clone(),
            class: class.name.clone(),
            name: self.identity_name(subject.namespace, &class.name, &values),
            values,
            user: subject.user.clone(),
        })
    }

    fn refuse_without_rule(&self, subject: &Subject<'_>) -> Refusal {
        let message = format!(
            "No rule matched this pod of {} ({}). Change the pod so that a rule of stack {} matches, or \
             ask your admin for a rule.",
            subject.user,
            subject.describe(),
            self.stack()
        );
        Refusal::new(Reason::NoMatch, message)
    }
}

#[cfg(test)]
mod tests;

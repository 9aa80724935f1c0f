//! Deciding what a pod gets: the first rule that matches applies.

use crate::{
    reason::Reason,
    rules::{Effect, NoMatch, Rule, Rules},
    user::Membership,
};

mod expectations;
mod namespace;

use super::{Decision, IdentityChoice, PodAttributes, Refusal, TracedRule};

impl Rules {
    /// Decides what a pod gets. The cost does not depend on the number of pins, nor on rules for other users, groups, flows and
    /// namespaces that are named exactly, nor on those for other beginnings of a user's name.
    #[must_use]
    pub fn decide(&self, pod: &PodAttributes<'_>) -> Decision {
        if self.is_offboarded(pod.user) {
            return Decision::Deny(self.refuse_offboarded(pod.user));
        }
        let candidates =
            self.index
                .candidates((pod.user, pod.groups), pod.claims.flow, pod.namespace);
        let mut candidates = candidates.filter_map(|position| self.model.rules.get(position));
        let Some(rule) = candidates.find(|rule| rule.matches(pod)) else {
            return match self.no_match() {
                NoMatch::Keep => Decision::Keep,
                NoMatch::Deny => Decision::Deny(self.refuse_without_rule(pod)),
            };
        };
        match &rule.effect {
            Effect::Deny { deny } => {
                let message = format!(
                    "Rule {} refuses pods of {} here: {deny}",
                    rule.name, pod.user
                );
                Decision::Deny(Refusal::by_rule(&rule.name, Reason::DeniedByRule, message))
            }
            Effect::ServiceAccount { service_account } => Decision::ServiceAccount {
                rule: rule.name.clone(),
                name: service_account.clone(),
            },
            Effect::Identity { identity } => match self.choose_identity(rule, identity, pod) {
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

    /// The rules in their order up to the one that matches a pod, each with the first of its conditions that does not hold.
    #[must_use]
    pub fn trace(&self, pod: &PodAttributes<'_>) -> Vec<TracedRule> {
        let mut traced = Vec::new();
        for rule in &self.model.rules {
            traced.push(rule.traced(pod));
            if rule.matches(pod) {
                break;
            }
        }
        traced
    }

    fn choose_identity(
        &self,
        rule: &Rule,
        class: &str,
        pod: &PodAttributes<'_>,
    ) -> Result<IdentityChoice, Refusal> {
        let class = self
            .class(class)
            .ok_or_else(|| self.refuse_unknown_class(class))?;
        self.check_entitled(
            class,
            pod.user,
            |group| pod.groups.membership(group) == Membership::In,
            pod.namespace,
        )?;
        let values = class.values(pod)?;
        Ok(IdentityChoice {
            rule: rule.name.clone(),
            class: class.name.clone(),
            name: self.identity_name(pod.namespace, &class.name, &values),
            values,
            user: pod.user.clone(),
        })
    }

    fn refuse_without_rule(&self, pod: &PodAttributes<'_>) -> Refusal {
        let message = format!(
            "No rule matched this pod of {} ({}). Change the pod so that a rule of stack {} matches, or \
             ask your admin for a rule.",
            pod.user,
            pod.describe(),
            self.stack()
        );
        Refusal::new(Reason::NoMatch, message)
    }
}

#[cfg(test)]
mod tests;

//! Decisions: what a pod gets. The first rule that matches decides.

use std::{collections::BTreeMap, fmt};

use crate::{
    glob::Glob,
    grant::check_value,
    groups::{Groups, Membership},
    name::IdentityName,
    reason::Reason,
    refusal::Refusal,
    rules::{Class, Effect, Launcher, Match, NoMatch, Per, Rule, Rules},
    text::shown,
    user::User,
};

/// The pod that is decided about: what is proven, and what it claims.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Whose pod it is.
    pub user: &'a User,
    /// The groups of the requester that was proven.
    pub groups: &'a Groups,
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// What created the pod.
    pub launcher: Launcher,
    /// What the pod says about itself.
    pub claims: Claims<'a>,
}

/// What anybody can write on a pod. Narrows, and never gives.
#[derive(Clone, Copy)]
pub struct Claims<'a> {
    /// Metaflow's flow.
    pub flow: Option<&'a str>,
    /// Metaflow's step.
    pub step: Option<&'a str>,
    /// Metaflow's project.
    pub project: Option<&'a str>,
    /// The value of a label.
    pub labels: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It gets an identity.
    Identity(IdentityChoice),
    /// It gets a service account that the admin made.
    ServiceAccount {
        /// The rule that says so.
        rule: String,
        /// Name of the service account.
        name: String,
    },
    /// It stays as it is, if its account is allowed: see [`Rules::allows_service_account`].
    Keep,
    /// It is refused.
    Deny(Refusal),
}

/// The identity that a pod gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityChoice {
    /// The rule that says so.
    pub rule: String,
    /// The class.
    pub class: String,
    /// Name of KSA, GSA and `Identity`.
    pub name: IdentityName,
    /// The values of `per`.
    pub values: BTreeMap<Per, String>,
    /// Whose pod it is.
    pub user: User,
}

impl Rules {
    /// Decides about a pod. The cost does not depend on the number of pins.
    #[must_use]
    pub fn decide(&self, subject: &Subject<'_>) -> Decision {
        if self.is_offboarded(subject.user) {
            return Decision::Deny(self.offboarded(subject.user));
        }
        let Some(rule) = self.model.rules.iter().find(|rule| rule.matches(subject)) else {
            return match self.no_match() {
                NoMatch::Keep => Decision::Keep,
                NoMatch::Deny => Decision::Deny(self.no_rule(subject)),
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
            Effect::Identity { identity } => match self.choose(rule, identity, subject) {
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

    fn choose(
        &self,
        rule: &Rule,
        class: &str,
        subject: &Subject<'_>,
    ) -> Result<IdentityChoice, Refusal> {
        let class = self.class(class).ok_or_else(|| self.unknown_class(class))?;
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

    pub(crate) fn identity_name(
        &self,
        namespace: &str,
        class: &str,
        values: &BTreeMap<Per, String>,
    ) -> IdentityName {
        IdentityName::derive(self.stack(), self.cluster(), namespace, class, values)
    }

    fn no_rule(&self, subject: &Subject<'_>) -> Refusal {
        let message = format!(
            "No rule matched this pod of {} ({}). Change what the pod says about itself so that a rule of stack {} matches, or \
             ask your admin for a rule.",
            subject.user,
            subject.described(),
            self.stack()
        );
        Refusal::new(Reason::NoMatch, message)
    }
}

impl Rule {
    fn matches(&self, subject: &Subject<'_>) -> bool {
        self.is_for((subject.user, subject.groups), subject.namespace)
            && self.on.holds_of_pod(subject)
    }

    /// Whether it is for this user in this namespace, for some pod.
    fn is_for(&self, (user, groups): (&User, &Groups), namespace: &str) -> bool {
        let in_group = |group: &String| match groups.membership(group) {
            Membership::In => true,
            Membership::Out => false,
            // What is not known gives nothing, and is refused.
            Membership::Unknown => matches!(self.effect, Effect::Deny { .. }),
        };
        let on = &self.on;
        on.group.as_ref().is_none_or(in_group)
            && fits(&on.user, Some(user.as_str()))
            && fits(&on.namespace, Some(namespace))
    }
}

fn fits(glob: &Option<Glob>, value: Option<&str>) -> bool {
    let matches = |glob: &Glob| value.is_some_and(|value| glob.matches(value));
    glob.as_ref().is_none_or(matches)
}

impl Effect {
    /// Whether it gives this account.
    pub(crate) fn is_account(&self, name: &str) -> bool {
        matches!(self, Effect::ServiceAccount { service_account } if service_account == name)
    }
}

impl Match {
    /// Whether it asks for something of the pod itself.
    fn narrows(&self) -> bool {
        let claims = [&self.flow, &self.step, &self.project];
        self.launcher.is_some()
            || claims.into_iter().any(Option::is_some)
            || !self.labels.is_empty()
    }

    fn holds_of_pod(&self, subject: &Subject<'_>) -> bool {
        let claims = &subject.claims;
        self.launcher
            .is_none_or(|launcher| launcher == subject.launcher)
            && fits(&self.flow, claims.flow)
            && fits(&self.step, claims.step)
            && fits(&self.project, claims.project)
            && self
                .labels
                .iter()
                .all(|(key, glob)| (claims.labels)(key).is_some_and(|value| glob.matches(value)))
    }
}

impl Class {
    /// The values of `per` for a pod: the user is the proven one, the others are what the pod says.
    fn values(&self, subject: &Subject<'_>) -> Result<BTreeMap<Per, String>, Refusal> {
        let value_of = |per: &Per| match per {
            Per::User => Some(subject.user.as_str()),
            Per::Project => subject.claims.project,
            Per::Flow => subject.claims.flow,
            Per::Step => subject.claims.step,
        };
        let value = |per: &Per| {
            let Some(value) = value_of(per).filter(|value| !value.is_empty()) else {
                let message = format!(
                    "Class {} makes one identity for each {}, and this pod of {} names none. Start it with Metaflow so that it \
                     names its {}{}, or ask your admin for another class.",
                    self.name,
                    per.as_str(),
                    subject.user,
                    per.as_str(),
                    if *per == Per::Project {
                        " (add @project to the flow)"
                    } else {
                        ""
                    }
                );
                return Err(Refusal::new(Reason::MissingValue, message));
            };
            check_value(*per, value).map(|()| (*per, value.to_owned()))
        };
        self.per.iter().map(value).collect()
    }
}

impl Subject<'_> {
    /// What rules see of the pod, for messages.
    fn described(&self) -> String {
        let claim = |name: &str, value: Option<&str>| {
            value.map(|value| format!(", {name} {}", shown(value)))
        };
        let claims = [
            ("flow", self.claims.flow),
            ("step", self.claims.step),
            ("project", self.claims.project),
        ];
        let claims: String = claims
            .into_iter()
            .filter_map(|(name, value)| claim(name, value))
            .collect();
        format!(
            "namespace {}, launcher {}{claims}",
            self.namespace,
            self.launcher.as_str()
        )
    }
}

impl fmt::Debug for Claims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Claims {
            flow,
            step,
            project,
            labels: _,
        } = self;
        f.debug_struct("Claims")
            .field("flow", flow)
            .field("step", step)
            .field("project", project)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! Who has rights with which one can act as another user. Pure.

use super::families::*;
use super::remedy;
use super::subject::Trust;
use super::subject::{Subject, Trusted};
use super::{Bound, Rbac};
use crate::check::{Finding, Holder};

/// The rights that bindings grant to subjects that are not expected to have them, and to those that are.
pub(in crate::check) struct RightsReport<'a> {
    trusted: &'a Trusted<'a>,
    findings: Vec<Finding>,
    holders: Vec<Holder>,
}

impl<'a> RightsReport<'a> {
    pub(in crate::check) fn new(trusted: &'a Trusted<'a>) -> Self {
        Self {
            trusted,
            findings: Vec::new(),
            holders: Vec::new(),
        }
    }

    /// Rights in the whole cluster.
    pub(in crate::check) fn everywhere(&mut self, rbac: &Rbac) {
        for bound in rbac.everywhere() {
            for family in &EVERYWHERE {
                self.check(bound, family);
            }
        }
    }

    /// Rights in Namesake's namespace; `guarded` is whether the policy that protects it is in force.
    pub(in crate::check) fn at_home(&mut self, rbac: &Rbac, guarded: bool) {
        let home = if guarded { &HOME } else { &UNGUARDED_HOME };
        for bound in rbac.everywhere() {
            self.check(bound, home);
        }
        for bound in rbac.only_in(self.trusted.home) {
            for family in [HOME_SECRETS, &HOME_ROLES, &HOME_IMPERSONATION, home] {
                self.check(bound, family);
            }
        }
    }

    /// Rights in namespaces of guarded accounts: each namespace with its accounts.
    pub(in crate::check) fn where_guarded(&mut self, rbac: &Rbac, homes: &[(String, String)]) {
        for (namespace, who) in homes {
            let consequence = format!("{}: {who}", GUARDED_HOME.consequence);
            let family = Family {
                consequence: &consequence,
                ..GUARDED_HOME
            };
            for bound in rbac.only_in(namespace) {
                self.check(bound, &family);
            }
        }
    }

    /// Rights in a namespace that is opted in; `denied` is whether the policy on tokens denies.
    pub(in crate::check) fn opted_in(&mut self, rbac: &Rbac, namespace: &str, denied: bool) {
        let family = if denied { &OPTED_IN_DENIED } else { &OPTED_IN };
        for bound in rbac.only_in(namespace) {
            self.check(bound, family);
        }
    }

    pub(in crate::check) fn into_parts(
        mut self,
        mut before: Vec<Finding>,
    ) -> (Vec<Finding>, Vec<Holder>) {
        before.append(&mut self.findings);
        (before, self.holders)
    }

    fn check(&mut self, bound: &Bound, family: &Family<'_>) {
        let granted: Vec<_> = family
            .rights
            .iter()
            .filter(|right| bound.grants(right))
            .collect();
        if granted.is_empty() {
            return;
        }
        let place = bound.place();
        let (mut people, mut programs) = (Vec::new(), Vec::new());
        for subject in &bound.subjects {
            let carries = OF_CARRIERS.contains(&family.check) && self.trusted.is_carrier(subject);
            let why = self.trusted.why(subject);
            match why.or(carries.then_some(Trust::Carrier)) {
                None if self.is_program_elsewhere(subject) => programs.push(subject),
                None => people.push(subject),
                Some(trusted) => self.holders.push(Holder {
                    trusted,
                    subject: subject.to_string(),
                    check: family.check.as_str(),
                    place: place.clone(),
                }),
            }
        }
        let words: Vec<_> = granted.iter().map(|right| right.words).collect();
        let consequence = family.consequence;
        let space = if consequence.starts_with(':') {
            ""
        } else {
            " "
        };
        let finding = |subjects: &[&Subject], remedy: String| Finding {
            severity: family.severity,
            check: family.check.as_str(),
            code: family.check.code(),
            what: format!("may {}{space}{consequence}", words.join(", ")),
            remedy,
            subjects: subjects.iter().map(ToString::to_string).collect(),
            place: place.clone(),
        };
        if !people.is_empty() {
            let without = remedy::remove_binding(bound, people.len());
            let remedy = format!("{without} (instead: {})", family.instead);
            self.findings.push(finding(&people, remedy));
        }
        if !programs.is_empty() {
            let remedy = remedy::narrow(bound, &programs, &granted, family);
            self.findings.push(finding(&programs, remedy));
        }
    }

    /// A program outside the namespaces of users: it has its rights because it needs some of them.
    fn is_program_elsewhere(&self, subject: &Subject) -> bool {
        let inside = subject.namespace();
        let inside = inside.is_some_and(|namespace| self.trusted.opted_in.contains(namespace));
        subject.is_program() && !inside
    }
}

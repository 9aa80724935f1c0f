//! Who holds rights that make somebody into somebody else: rights that are open for one reason, and where. Pure.

use super::remedy::{self, Narrow};
use super::rights::*;
use super::subject::Trust;
use super::subject::{Subject, Trusted};
use super::{Bound, Rbac, Right};
use crate::check::{Finding, Holder, Severity};

/// Rights that are open for one reason.
struct Family {
    check: &'static str,
    severity: Severity,
    rights: &'static [Right],
    /// What follows from having one.
    so: &'static str,
    /// What to do besides taking the binding away.
    instead: &'static str,
    /// How a program goes on that holds such a right in the whole cluster.
    narrow: Narrow,
}

/// Checks of what carriers are there to do.
const OF_CARRIERS: [&str; 2] = ["developers", "our-namespace"];

const EVERYWHERE: [Family; 8] = [
    Family {
        check: "admins",
        severity: Severity::Critical,
        rights: &[ADMINISTER],
        so: "to every policy, and nobody can say who that is: everybody, every account, or whoever may make a pod there",
        instead: "name the people",
        narrow: Narrow::AsInstead,
    },
    Family {
        check: "developers",
        severity: Severity::Critical,
        rights: &[RUN],
        so: "in every namespace, so also with the accounts of controllers",
        instead: "bind the role in the namespaces where they work",
        narrow: Narrow::ByNamespaceOrCarrier,
    },
    Family {
        check: "impersonation",
        severity: Severity::Critical,
        rights: &[
            IMPERSONATE_USERS,
            IMPERSONATE_GROUPS,
            IMPERSONATE_ACCOUNTS,
            IMPERSONATE_EXTRAS,
        ],
        so: "in the whole cluster: to the API server they are who they say",
        instead: "a role for the names that are needed, resourceNames, and without userextras",
        narrow: Narrow::ByName,
    },
    Family {
        check: "tokens",
        severity: Severity::Critical,
        rights: &[TOKENS],
        so: "in every namespace: whoever has a token of an account is that account",
        instead: "bind the role in the namespaces where they work",
        narrow: Narrow::ByNamespace,
    },
    Family {
        check: "guards",
        severity: Severity::Critical,
        rights: &[POLICIES, CONFIGURATIONS],
        so: ": policies cannot guard policies, and a webhook may change what admins write",
        instead: "a role for the objects that are its own, resourceNames",
        narrow: Narrow::ByName,
    },
    Family {
        check: "escalation",
        severity: Severity::Critical,
        rights: &[ESCALATE, BIND, SIGN],
        so: "in the whole cluster: that is any right there is",
        instead: "a role for the roles that it may give, resourceNames",
        narrow: Narrow::ByName,
    },
    Family {
        check: "kubelets",
        severity: Severity::Critical,
        rights: &[KUBELETS],
        so: ": no webhook and no policy sees it",
        instead: "a role with nodes/metrics and nodes/stats",
        narrow: Narrow::AsInstead,
    },
    Family {
        check: "our-secrets",
        severity: Severity::Critical,
        rights: &[SECRETS],
        so: ": whoever has the stamp key signs as anyone",
        instead: "bind the role in other namespaces; and rotate the stamp key, docs/operate.md",
        narrow: Narrow::ByNamespace,
    },
];

const HOME_SECRETS: &Family = &EVERYWHERE[7];
const HOME: Family = Family {
    check: "our-namespace",
    severity: Severity::Warning,
    rights: &[
        WRITE_SECRETS,
        WRITE_RULES,
        RUN,
        ENTER,
        REACH,
        of(TOKENS, OUR_ACCOUNTS),
    ],
    so: "in our namespace: the policy namesake-system alone stands in the way",
    instead: "bind the role in other namespaces",
    narrow: Narrow::ByNamespace,
};
// No policy sees who impersonates whom.
const HOME_IMPERSONATION: Family = Family {
    check: "impersonation",
    severity: Severity::Critical,
    rights: &[of(IMPERSONATE_ACCOUNTS, OUR_ACCOUNTS)],
    so: "in our namespace: the webhook's reads the stamp key, and whoever has that signs as anyone",
    instead: "bind the role in other namespaces",
    narrow: Narrow::ByName,
};
const HOME_ROLES: Family = Family {
    check: "escalation",
    severity: Severity::Critical,
    rights: &[ESCALATE, BIND],
    so: "in our namespace",
    instead: "bind the role in other namespaces",
    narrow: Narrow::ByName,
};
const GUARDED_HOME: Family = Family {
    check: "guarded-accounts",
    severity: Severity::Critical,
    rights: &[RUN, ENTER, TOKENS, IMPERSONATE_ACCOUNTS],
    so: "where a guarded account lives, and so be that account",
    instead: "move the account to a namespace of its own",
    narrow: Narrow::AsInstead,
};
const OPTED_IN: Family = Family {
    check: "opted-in-rights",
    severity: Severity::Warning,
    rights: &[TOKENS, IMPERSONATE_ACCOUNTS],
    so: "of a namespace where each account is somebody",
    instead: "a role without these two rights, docs/trust.md, \"Taking rights away\"",
    narrow: Narrow::AsInstead,
};
const OPTED_IN_DENIED: Family = Family {
    rights: &[IMPERSONATE_ACCOUNTS],
    instead: "a role without this right, docs/trust.md, \"Taking rights away\"",
    ..OPTED_IN
};

/// What bindings give to those who are not expected to have it, and to those who are.
pub(in crate::check) struct Found<'a> {
    trusted: &'a Trusted<'a>,
    findings: Vec<Finding>,
    holders: Vec<Holder>,
}

impl<'a> Found<'a> {
    pub(in crate::check) fn new(trusted: &'a Trusted<'a>) -> Self {
        Self {
            trusted,
            findings: Vec::new(),
            holders: Vec::new(),
        }
    }

    /// What is given in the whole cluster.
    pub(in crate::check) fn everywhere(&mut self, rbac: &Rbac) {
        for bound in rbac.everywhere() {
            for family in &EVERYWHERE {
                self.look(bound, family, family.severity, family.so);
            }
        }
    }

    /// What is given in our own namespace; `guarded`: whether the policy that protects it is in force.
    pub(in crate::check) fn at_home(&mut self, rbac: &Rbac, guarded: bool) {
        let (severity, so) = match guarded {
            true => (HOME.severity, HOME.so),
            false => (
                Severity::Critical,
                "in our namespace, and no policy is in the way",
            ),
        };
        for bound in rbac.everywhere() {
            self.look(bound, &HOME, severity, so);
        }
        for bound in rbac.only_in(self.trusted.home) {
            self.look(bound, HOME_SECRETS, HOME_SECRETS.severity, HOME_SECRETS.so);
            for family in [&HOME_ROLES, &HOME_IMPERSONATION] {
                self.look(bound, family, family.severity, family.so);
            }
            self.look(bound, &HOME, severity, so);
        }
    }

    /// What is given where guarded accounts live; namespace, and who lives there.
    pub(in crate::check) fn where_guarded(&mut self, rbac: &Rbac, homes: &[(String, String)]) {
        for (namespace, who) in homes {
            let so = format!("{}: {who}", GUARDED_HOME.so);
            for bound in rbac.only_in(namespace) {
                self.look(bound, &GUARDED_HOME, GUARDED_HOME.severity, &so);
            }
        }
    }

    /// What is given in a namespace that is opted in; `denied`: whether the guard of tokens refuses.
    pub(in crate::check) fn opted_in(&mut self, rbac: &Rbac, namespace: &str, denied: bool) {
        let family = if denied { &OPTED_IN_DENIED } else { &OPTED_IN };
        for bound in rbac.only_in(namespace) {
            self.look(bound, family, family.severity, family.so);
        }
    }

    pub(in crate::check) fn into_parts(
        mut self,
        mut before: Vec<Finding>,
    ) -> (Vec<Finding>, Vec<Holder>) {
        before.append(&mut self.findings);
        (before, self.holders)
    }

    fn look(&mut self, bound: &Bound, family: &Family, severity: Severity, so: &str) {
        let given: Vec<_> = family
            .rights
            .iter()
            .filter(|right| bound.gives(right))
            .collect();
        if given.is_empty() {
            return;
        }
        let place = bound.place();
        let (mut people, mut programs) = (Vec::new(), Vec::new());
        for subject in &bound.subjects {
            let carries = OF_CARRIERS.contains(&family.check) && self.trusted.carries(subject);
            let why = self.trusted.why(subject);
            match why.or(carries.then_some(Trust::Carrier)) {
                None if self.is_program_elsewhere(subject) => programs.push(subject),
                None => people.push(subject),
                Some(trusted) => self.holders.push(Holder {
                    trusted,
                    subject: subject.to_string(),
                    check: family.check,
                    place: place.clone(),
                }),
            }
        }
        let words: Vec<_> = given.iter().map(|right| right.words).collect();
        let space = if so.starts_with(':') { "" } else { " " };
        let finding = |subjects: &[&Subject], remedy: String| Finding {
            severity,
            check: family.check,
            what: format!("may {}{space}{so}", words.join(", ")),
            remedy,
            subjects: subjects.iter().map(ToString::to_string).collect(),
            place: place.clone(),
        };
        if !people.is_empty() {
            let without = remedy::take_away(bound, people.len());
            let remedy = format!("{without} (instead: {})", family.instead);
            self.findings.push(finding(&people, remedy));
        }
        if !programs.is_empty() {
            let less = remedy::Less {
                bound,
                programs: &programs,
                check: family.check,
                rights: &given,
                instead: family.instead,
                narrow: family.narrow,
            };
            let remedy = less.to_string();
            self.findings.push(finding(&programs, remedy));
        }
    }

    /// A program that does not live among users: it has its rights because it needs some of them.
    fn is_program_elsewhere(&self, subject: &Subject) -> bool {
        let inside = subject.namespace();
        let inside = inside.is_some_and(|namespace| self.trusted.opted_in.contains(namespace));
        subject.is_program() && !inside
    }
}

//! The conditions of rules: whether a rule matches a pod.

use crate::{
    names::{Glob, quoted},
    rules::{Conditions, Effect, Rule},
    user::{Groups, Membership, User},
};

use super::PodAttributes;

/// A rule and what a pod has in place of what the rule requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedRule {
    /// The name of the rule.
    pub rule: String,
    /// The first condition that does not hold; `None` if the rule matches.
    pub mismatch: Option<String>,
}

impl Rule {
    pub(crate) fn matches(&self, pod: &PodAttributes<'_>) -> bool {
        self.can_match((pod.user, pod.groups), pod.namespace) && self.conditions.match_pod(pod)
    }

    /// Whether it can match some pod of this user in this namespace.
    pub(super) fn can_match(&self, (user, groups): (&User, &Groups), namespace: &str) -> bool {
        let in_group = |group: &String| match groups.membership(group) {
            Membership::In => true,
            Membership::Out => false,
            // An unknown membership never gives anything, and never avoids a `deny`.
            Membership::Unknown => matches!(self.effect, Effect::Deny { .. }),
        };
        let conditions = &self.conditions;
        conditions.group.as_ref().is_none_or(in_group)
            && matches(&conditions.user, Some(user.as_str()))
            && matches(&conditions.namespace, Some(namespace))
    }
}

impl Rule {
    /// The rule with the first of its conditions that does not hold for a pod.
    pub(super) fn traced(&self, pod: &PodAttributes<'_>) -> TracedRule {
        TracedRule {
            rule: self.name.clone(),
            mismatch: if self.matches(pod) {
                None
            } else {
                Some(self.mismatch(pod))
            },
        }
    }

    fn mismatch(&self, pod: &PodAttributes<'_>) -> String {
        let (conditions, claims) = (&self.conditions, &pod.claims);
        if let Some(group) = &conditions.group {
            match pod.groups.membership(group) {
                Membership::In => {}
                Membership::Out => return format!("{} is not in group {group}", pod.user),
                // A rule with `deny` matches then.
                Membership::Unknown if matches!(self.effect, Effect::Deny { .. }) => {}
                Membership::Unknown => {
                    return format!("nothing proves whether {} is in group {group}", pod.user);
                }
            }
        }
        let globs = [
            ("user", &conditions.user, Some(pod.user.as_str())),
            ("namespace", &conditions.namespace, Some(pod.namespace)),
            ("flow", &conditions.flow, claims.flow),
            ("step", &conditions.step, claims.step),
            ("project", &conditions.project, claims.project),
        ];
        let labels = conditions.labels.iter().map(|(key, glob)| {
            let value = (claims.labels)(key);
            (format!("label {key}"), glob, value)
        });
        let globs = globs
            .into_iter()
            .filter_map(|(name, glob, value)| Some((name.to_owned(), glob.as_ref()?, value)));
        if let Some(launcher) = conditions.launcher.filter(|wanted| *wanted != pod.launcher) {
            return format!(
                "launcher is {}, not {}",
                pod.launcher.as_str(),
                launcher.as_str()
            );
        }
        let differs = globs
            .chain(labels)
            .find(|(_, glob, value)| !value.is_some_and(|value| glob.matches(value)));
        match differs {
            Some((name, glob, Some(value))) => {
                format!("{name} is {}, not {}", quoted(value), quoted(glob.as_str()))
            }
            Some((name, glob, None)) => {
                format!("no {name}, and it must be {}", quoted(glob.as_str()))
            }
            None => String::new(),
        }
    }
}

fn matches(glob: &Option<Glob>, value: Option<&str>) -> bool {
    let matches = |glob: &Glob| value.is_some_and(|value| glob.matches(value));
    glob.as_ref().is_none_or(matches)
}

impl Conditions {
    /// Whether there is a condition on the pod itself, besides its user, group and namespace.
    pub(super) fn depend_on_pod(&self) -> bool {
        let claims = [&self.flow, &self.step, &self.project];
        self.launcher.is_some()
            || claims.into_iter().any(Option::is_some)
            || !self.labels.is_empty()
    }

    fn match_pod(&self, pod: &PodAttributes<'_>) -> bool {
        let claims = &pod.claims;
        self.launcher
            .is_none_or(|launcher| launcher == pod.launcher)
            && matches(&self.flow, claims.flow)
            && matches(&self.step, claims.step)
            && matches(&self.project, claims.project)
            && self
                .labels
                .iter()
                .all(|(key, glob)| (claims.labels)(key).is_some_and(|value| glob.matches(value)))
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::tests::fixtures::{everything, groups, pod_attributes, rules, user};
    use crate::{Claims, Decision, Launcher, PodAttributes};

    const RULES: &str = "apiVersion: namesake.dev/v1alpha1\nkind: MappingRules\nstack: prod\n\
        cluster: projects/acme/locations/us-central1/clusters/ml\nnoMatch: keep\nusers: [{requester: \"*@acme.com\"}]\n\
        identities: [{name: lab, for: {users: [\"*@acme.com\"]}, per: [user], project: acme-identities}]\n\
        rules:\n- {name: a, match: {group: gpu@acme.com}, identity: lab}\n\
        - {name: b, match: {user: bob@acme.com}, identity: lab}\n\
        - {name: c, match: {user: \"*\", namespace: prod}, identity: lab}\n\
        - {name: d, match: {user: \"*\", launcher: CronJob}, identity: lab}\n\
        - {name: e, match: {user: \"*\", flow: \"Score*\"}, identity: lab}\n\
        - {name: f, match: {user: \"*\", labels: {gpu: \"*\"}}, identity: lab}\n\
        - {name: g, match: {user: \"*@acme.com\"}, identity: lab}\n\
        - {name: h, match: {user: \"*@acme.com\"}, deny: never reached}\n";

    #[test]
    fn a_trace_names_the_first_condition_of_each_rule_that_does_not_hold() {
        let (rules, alice) = (rules(RULES), user("alice@acme.com"));
        let none = groups(&rules, &[]);
        let pod = PodAttributes {
            claims: Claims {
                flow: Some("Train"),
                ..pod_attributes(&alice, &none).claims
            },
            ..pod_attributes(&alice, &none)
        };
        let traced = rules.trace(&pod);
        let traced: Vec<_> = traced
            .iter()
            .map(|one| {
                format!(
                    "{}: {}",
                    one.rule,
                    one.mismatch.as_deref().unwrap_or("matches")
                )
            })
            .collect();
        let expected = [
            "a: alice@acme.com is not in group gpu@acme.com",
            "b: user is \"alice@acme.com\", not \"bob@acme.com\"",
            "c: namespace is \"research\", not \"prod\"",
            "d: launcher is Job, not CronJob",
            "e: flow is \"Train\", not \"Score*\"",
            "f: no label gpu, and it must be \"*\"",
            "g: matches",
        ];
        assert_eq!(traced, expected);
    }

    #[test]
    fn a_trace_ends_at_the_rule_that_decides_and_every_other_rule_says_why_not() {
        let rules = everything();
        for name in [
            "alice@acme.com",
            "bob@acme.com",
            "mallory@acme.com",
            "x@else.com",
        ] {
            for launcher in Launcher::ALL {
                for members in [&[][..], &["research@acme.com"]] {
                    let (user, groups) = (user(name), groups(&rules, members));
                    let mut pod = pod_attributes(&user, &groups);
                    pod.launcher = launcher;
                    pod.claims.labels = &|_| Some("gpu");
                    let traced = rules.trace(&pod);
                    let matched = traced.iter().find(|one| one.mismatch.is_none());
                    assert!(
                        traced.iter().all(|one| one.mismatch.as_deref() != Some("")),
                        "{traced:?}"
                    );
                    let decided = match rules.decide(&pod) {
                        Decision::Identity(choice) => Some(choice.rule),
                        Decision::ServiceAccount { rule, .. } => Some(rule),
                        Decision::Deny(refusal) if refusal.rule.is_some() => refusal.rule,
                        Decision::Keep | Decision::Deny(_) => continue,
                    };
                    assert_eq!(matched.map(|one| &one.rule), decided.as_ref(), "{traced:?}");
                }
            }
        }
    }
}

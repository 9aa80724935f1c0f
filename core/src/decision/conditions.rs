//! The conditions of rules: whether a rule matches a pod.

use crate::{
    names::Glob,
    rules::{Conditions, Effect, Rule},
    user::{Groups, Membership, User},
};

use super::PodAttributes;

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

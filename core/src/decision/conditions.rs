//! Whether a rule matches a pod.

use crate::{
    names::Glob,
    rules::{Effect, Match, Rule},
    user::{Groups, Membership, User},
};

use super::Subject;

impl Rule {
    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        self.is_for((subject.user, subject.groups), subject.namespace)
            && self.on.holds_of_pod(subject)
    }

    /// Whether it is for this user in this namespace, for some pod.
    pub(super) fn is_for(&self, (user, groups): (&User, &Groups), namespace: &str) -> bool {
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

impl Match {
    /// Whether it asks for something of the pod itself.
    pub(super) fn narrows(&self) -> bool {
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

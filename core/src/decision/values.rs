//! The values of `per`: whose identity of a class it is.

use std::collections::BTreeMap;

use crate::{
    names::{Per, quoted},
    reason::Reason,
    rules::Class,
    user::User,
};

use super::{PodAttributes, Refusal};

impl Class {
    /// The values of `per` for a pod: the proven user, and the project, flow and step that the pod claims.
    pub(super) fn values(&self, pod: &PodAttributes<'_>) -> Result<BTreeMap<Per, String>, Refusal> {
        let value_of = |per: &Per| match per {
            Per::User => Some(pod.user.as_str()),
            Per::Project => pod.claims.project,
            Per::Flow => pod.claims.flow,
            Per::Step => pod.claims.step,
        };
        let value = |per: &Per| {
            let Some(value) = value_of(per).filter(|value| !value.is_empty()) else {
                let message = format!(
                    "Class {} has one identity for each {}, and this pod of {} names no {}. Start it with Metaflow so that it \
                     names its {}{}, or ask your admin for another class.",
                    self.name,
                    per.as_str(),
                    pod.user,
                    per.as_str(),
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

    /// The values must be for exactly the keys of `per`, and for this user.
    pub(super) fn check_values(
        &self,
        user: Option<&User>,
        values: &BTreeMap<Per, String>,
    ) -> Result<(), Refusal> {
        let wrong = |what: &str| {
            let message = format!(
                "The values for an identity of class {} are wrong: {what}. Request it with a value for each key of the class's per, and no others.",
                self.name
            );
            Refusal::new(Reason::WrongValues, message)
        };
        if !self.per.iter().eq(values.keys()) {
            return Err(wrong("their keys are not those of its per"));
        }
        if values
            .get(&Per::User)
            .is_some_and(|value| user.is_none_or(|user| value != user.as_str()))
        {
            return Err(wrong("the user is not the user of the request"));
        }
        values
            .iter()
            .try_for_each(|(per, value)| check_value(*per, value))
    }
}

/// The same characters are allowed in every value of `per` as in users that the rules list.
pub(super) fn check_value(per: Per, value: &str) -> Result<(), Refusal> {
    User::exact(value).map(drop).map_err(|error| {
        let message = format!(
            "The {} {} cannot have an identity: {error}. Rename it.",
            per.as_str(),
            quoted(value)
        );
        Refusal::new(Reason::IllegalValue, message)
    })
}

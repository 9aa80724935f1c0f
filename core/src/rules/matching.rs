//! `rules`: conditions, and what pods that match them get.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    classes::Class,
    yaml::{Item, invalid, values::label},
};

mod conditions;
mod effect;
mod expectation;
mod launcher;

pub(crate) use conditions::Conditions;
pub(crate) use effect::Effect;
pub(crate) use expectation::{Expectation, RuleTest};
pub use launcher::Launcher;

/// One rule. The first one that matches applies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Rule {
    pub(crate) name: String,
    #[serde(rename = "match")]
    pub(crate) conditions: Conditions,
    #[serde(flatten)]
    pub(crate) effect: Effect,
}

/// `noMatch`: what happens to a pod that no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NoMatch {
    /// It is refused.
    Deny,
    /// It is not changed.
    Keep,
}

impl Rule {
    pub(crate) fn read(
        item: &Item<'_>,
        classes: &[Class],
        class_names: &BTreeSet<&str>,
    ) -> Option<Rule> {
        let problems = item.count_problems();
        let mut fields = item.fields()?;
        let name = fields.required("name", "give the rule a name", label);
        let conditions = fields
            .require("match", "say which pods; {} is all of them")
            .and_then(|item| Conditions::read(&item));
        let effect = Effect::read(&mut fields, class_names);
        fields.report_unknown_keys();
        let rule = Rule {
            name: name?,
            conditions: conditions?,
            effect: effect?,
        };
        // A condition that could not be read has been reported, and is missing here.
        if let Some(gives) = rule
            .gives_without_proof(classes)
            .filter(|_| item.count_problems() == problems)
        {
            let what = format!(
                "the rule gives {gives} to anyone who writes the right labels, because it requires no user (* matches everyone) and no group"
            );
            item.report(invalid(
                what,
                "add user or group to match, or say anyone: true in match",
            ));
        }
        Some(rule)
    }

    /// What the rule gives although neither the rule nor the class requires a proven user or group.
    fn gives_without_proof(&self, classes: &[Class]) -> Option<String> {
        if self.conditions.require_proof() || self.conditions.anyone {
            return None;
        }
        match &self.effect {
            Effect::Deny { .. } => None,
            Effect::ServiceAccount { service_account } => {
                Some(format!("service account {service_account}"))
            }
            Effect::Identity { identity } => {
                let class = classes.iter().find(|class| class.name == *identity)?;
                (!class.entitlement.requires_proof())
                    .then(|| format!("an identity of class {identity}"))
            }
        }
    }
}

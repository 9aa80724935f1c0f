//! The rules as data. Serialized, they have the same form as the file that they are read from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{names::Glob, user::User};

use super::{
    classes::Class,
    matching::{NoMatch, Rule, RuleTest},
    pods::Pods,
    users::UserRule,
    users::endpoints::Endpoints,
    users::pins::Pin,
    users::trusted::{Admins, Carrier},
};

pub(crate) const API_VERSION: &str = "namesake.dev/v1alpha1";
pub(crate) const KIND: &str = "MappingRules";

/// Everything in the files, with defaults filled in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Model {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) stack: String,
    pub(crate) cluster: String,
    pub(crate) users: Vec<UserRule>,
    pub(crate) identities: Vec<Class>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) no_match: NoMatch,
    pub(crate) admins: Admins,
    pub(crate) carriers: Vec<Carrier>,
    pub(crate) updaters: Vec<String>,
    pub(crate) allowed_service_accounts: Vec<Glob>,
    #[serde(flatten)]
    pub(crate) pods: Pods,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoints: Option<Endpoints>,
    pub(crate) pins: BTreeMap<User, Pin>,
    pub(crate) offboarded: BTreeSet<User>,
    pub(crate) returned: BTreeSet<User>,
    /// No part of the rules' meaning, so it is not serialized.
    #[serde(skip)]
    pub(crate) tests: Vec<RuleTest>,
}

impl Model {
    /// Groups in a rule or a class.
    pub(crate) fn mentioned_groups(&self) -> impl Iterator<Item = &str> {
        let of_rules = self
            .rules
            .iter()
            .filter_map(|rule| rule.conditions.group.as_deref());
        let of_classes = self
            .identities
            .iter()
            .flat_map(|class| &class.entitlement.groups)
            .map(String::as_str);
        of_rules.chain(of_classes)
    }

    /// The project in `projects/P/locations/L/clusters/C`.
    pub(crate) fn cluster_project(&self) -> &str {
        self.cluster.split('/').nth(1).unwrap_or_default()
    }
}

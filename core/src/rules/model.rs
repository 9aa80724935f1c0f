//! The rules as data, printed by serde in the form that they are read in.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{glob::Glob, user::User};

use super::{Class, Launcher, NoMatch, Pin, Rule, UserRule, pods::Pods};

pub(crate) const API_VERSION: &str = "namesake.dev/v1alpha1";
pub(crate) const KIND: &str = "MappingRules";

/// Everything that the files say, with defaults filled in.
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
    pub(crate) pins: BTreeMap<User, Pin>,
    pub(crate) offboarded: BTreeSet<User>,
    pub(crate) returned: BTreeSet<User>,
}

/// Who may do what nobody else may.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Admins {
    pub(crate) users: Vec<Glob>,
    pub(crate) groups: Vec<String>,
}

/// A controller whose children belong to their parent's user, for these kinds of parents.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Carrier {
    pub(crate) account: String,
    pub(crate) parents: BTreeSet<Launcher>,
}

/// The built-in carriers: the two controllers of every cluster.
const BUILT_IN: [(&str, Launcher); 2] = [
    (
        "system:serviceaccount:kube-system:job-controller",
        Launcher::Job,
    ),
    (
        "system:serviceaccount:kube-system:cronjob-controller",
        Launcher::CronJob,
    ),
];

/// Accounts of the built-in carriers.
pub(crate) fn built_in_carriers<'a>() -> impl Iterator<Item = &'a str> {
    BUILT_IN.iter().map(|(account, _)| *account)
}

/// Whether an account is a carrier for this kind of parent, or for any.
pub(crate) fn carries(carriers: &[Carrier], account: &str, parent: Option<Launcher>) -> bool {
    let is_parent = |kind: &Launcher| parent.is_none_or(|parent| parent == *kind);
    let built_in = |(name, kind): &(&str, Launcher)| *name == account && is_parent(kind);
    let listed =
        |carrier: &Carrier| carrier.account == account && carrier.parents.iter().any(is_parent);
    BUILT_IN.iter().any(built_in) || carriers.iter().any(listed)
}

impl Model {
    /// Groups that a rule or a class asks about.
    pub(crate) fn mentioned_groups(&self) -> impl Iterator<Item = &str> {
        let of_rules = self
            .rules
            .iter()
            .filter_map(|rule| rule.on.group.as_deref());
        let of_classes = self
            .identities
            .iter()
            .flat_map(|class| &class.entitled.groups)
            .map(String::as_str);
        of_rules.chain(of_classes)
    }

    /// The project in `projects/P/locations/L/clusters/C`.
    pub(crate) fn cluster_project(&self) -> &str {
        self.cluster.split('/').nth(1).unwrap_or_default()
    }
}

//! `admins` and `carriers`: requesters that are allowed to do more than others.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::names::Glob;

use crate::rules::{
    matching::Launcher,
    yaml::{Item, values},
};

/// Who is allowed to change objects of all users, to adopt, and to opt in namespaces.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Admins {
    pub(crate) users: Vec<Glob>,
    pub(crate) groups: Vec<String>,
}

/// A trusted controller: what it creates for parents of these kinds belongs to the parent's user.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Carrier {
    pub(crate) account: String,
    pub(crate) parents: BTreeSet<Launcher>,
}

/// The carriers of every cluster: the two controllers that are part of Kubernetes.
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

/// Usernames of the built-in carriers.
pub(crate) fn built_in_carriers<'a>() -> impl Iterator<Item = &'a str> {
    BUILT_IN.iter().map(|(account, _)| *account)
}

/// Whether an account is a carrier for this kind of parent; without one, for any kind.
pub(crate) fn is_carrier(carriers: &[Carrier], account: &str, parent: Option<Launcher>) -> bool {
    let is_parent = |kind: &Launcher| parent.is_none_or(|parent| parent == *kind);
    let built_in = |(name, kind): &(&str, Launcher)| *name == account && is_parent(kind);
    let listed =
        |carrier: &Carrier| carrier.account == account && carrier.parents.iter().any(is_parent);
    BUILT_IN.iter().any(built_in) || carriers.iter().any(listed)
}

impl Default for Admins {
    fn default() -> Admins {
        Admins {
            users: Vec::new(),
            groups: vec!["system:masters".to_owned()],
        }
    }
}

impl Admins {
    pub(crate) fn read(item: &Item<'_>) -> Option<Admins> {
        let mut fields = item.fields()?;
        let users = fields.texts("users", values::requester_glob);
        let groups = fields
            .get("groups")
            .map(|item| item.read_list(values::group));
        fields.report_unknown_keys();
        Some(Admins {
            users,
            groups: groups.unwrap_or_else(|| Admins::default().groups),
        })
    }
}

impl Carrier {
    pub(crate) fn read(item: &Item<'_>) -> Option<Carrier> {
        let mut fields = item.fields()?;
        let account = fields.required("account", "name the controller's account", values::account);
        let [_, kinds @ ..] = Launcher::words();
        let parents = fields.require(
            "parents",
            "name the kinds of parents for which the controller creates objects, as [Job]",
        );
        let parents = parents.and_then(|item| {
            let read = |text: &str| values::word(text, &kinds);
            item.read_non_empty_list(read, "no kind is listed", "name at least one kind")
        });
        fields.report_unknown_keys();
        Some(Carrier {
            account: account?,
            parents: parents?.into_iter().collect(),
        })
    }
}

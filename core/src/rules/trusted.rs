//! `admins` and `carriers`: requesters that may do more than others.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::names::Glob;

use super::{
    matching::Launcher,
    yaml::{Item, values},
};

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
        let users = fields
            .get("users")
            .map(|item| item.read_list(values::requester_glob))
            .unwrap_or_default();
        let groups = fields
            .get("groups")
            .map(|item| item.read_list(values::group));
        fields.close();
        Some(Admins {
            users,
            groups: groups.unwrap_or_else(|| Admins::default().groups),
        })
    }
}

impl Carrier {
    pub(crate) fn read(item: &Item<'_>) -> Option<Carrier> {
        let mut fields = item.fields()?;
        let account = fields
            .need("account", "name the controller's account")
            .and_then(|item| item.read(values::account));
        let kinds = Launcher::WORDS.get(1..).unwrap_or_default();
        let parents = fields.need(
            "parents",
            "name the kinds whose children the controller makes, as [Job]",
        );
        let parents = parents.and_then(|item| {
            let read = |text: &str| values::word(text, kinds);
            item.read_some(
                read,
                "the controller makes nothing",
                "name at least one kind",
            )
        });
        fields.close();
        Some(Carrier {
            account: account?,
            parents: parents?.into_iter().collect(),
        })
    }
}

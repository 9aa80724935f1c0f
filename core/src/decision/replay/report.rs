//! What an edit of the rules would have changed, counted.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::{
    decision::{Decision, EditEffect, IdentityChoice},
    names::Per,
};

/// Broken lines that the report names.
const MAX_BROKEN: usize = 10;
/// Different changes, and identities, that are kept. More are only counted, so that memory has a limit.
const MAX_KEPT: usize = 100_000;

/// What an edit of the rules would have changed for the requests of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayReport {
    /// Entries of the log: lines that are not blank, or elements of a list.
    pub entries: u64,
    /// Those that are not entries of an audit log of the API server.
    pub broken: u64,
    /// The numbers of the first of them.
    pub first_broken: Vec<u64>,
    /// The number of the last entry that was read, if the rest of the log could not be read.
    pub read_up_to: Option<u64>,
    /// Requests that Namesake's webhook did not decide when they were recorded.
    pub not_opted_in: u64,
    /// Requests of trusted controllers: what they create is decided with its parent.
    pub by_controllers: u64,
    /// Requests whose event does not name a requester.
    pub without_requester: u64,
    /// Requests that were decided again.
    pub decided: u64,
    /// Those of which the log does not have the object, so that flow, step, project and labels are not known.
    pub without_object: u64,
    /// Those of which the log does not have the groups of the requester, so that no rule about groups matched.
    pub without_groups: u64,
    /// Those that got an identity of another name than the rules give now: the log is of another stack or cluster, or older than an
    /// edit of the class's `per`.
    pub other_names: u64,
    /// Those for which nothing changes.
    pub unchanged: u64,
    /// What changes, and for whom: what is taken away first.
    pub changes: Vec<ReplayChange>,
    /// Changes that are not listed, because there are too many different ones.
    pub more_changes: u64,
    /// Identities that the requests use by the edit, and did not before.
    pub new_identities: Vec<ReplayIdentity>,
    /// Identities that the requests used, and do not by the edit.
    pub draining_identities: Vec<ReplayIdentity>,
    /// Identities that the requests used, and use by the edit too.
    pub kept_identities: Vec<ReplayIdentity>,
    /// Uses of identities that are not listed, because there are too many.
    pub more_identities: u64,
}

/// Requests of one requester for which the same changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayChange {
    /// `loses`, `changes` or `other`.
    pub effect: &'static str,
    /// The requester.
    pub requester: String,
    /// The namespace.
    pub namespace: String,
    /// What the pods got.
    pub before: String,
    /// What they would get.
    pub after: String,
    /// How many pods, or pod templates of parents.
    pub count: u64,
}

/// An identity that requests use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayIdentity {
    /// Its class.
    pub class: String,
    /// Its user.
    pub user: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The values of the class's `per`.
    pub values: BTreeMap<Per, String>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Change {
    effect: Option<EditEffect>,
    requester: String,
    namespace: String,
    before: String,
    after: String,
}

/// An identity, and whether the rules before and after the edit use it.
#[derive(Debug)]
struct Use {
    identity: ReplayIdentity,
    before: bool,
    after: bool,
}

/// Counts while a log is read.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) report: ReplayReport,
    changes: HashMap<Change, u64>,
    identities: HashMap<String, Use>,
}

impl Tally {
    pub(super) fn add_broken(&mut self) {
        self.report.broken += 1;
        if self.report.first_broken.len() < MAX_BROKEN {
            self.report.first_broken.push(self.report.entries);
        }
    }

    /// Adds what a pod got and would get.
    pub(super) fn add(
        &mut self,
        requester: &str,
        namespace: &str,
        (old, new): (Decision, Decision),
        effect: Option<EditEffect>,
    ) {
        if let Decision::Identity(choice) = &old {
            self.add_use(choice, namespace, |one| one.before = true);
        }
        if let Decision::Identity(choice) = &new {
            self.add_use(choice, namespace, |one| one.after = true);
        }
        if effect == Some(EditEffect::Keeps) {
            return;
        }
        let change = Change {
            effect,
            requester: requester.to_owned(),
            namespace: namespace.to_owned(),
            before: describe(&old),
            after: describe(&new),
        };
        if let Some(count) = self.changes.get_mut(&change) {
            *count += 1;
        } else if self.changes.len() < MAX_KEPT {
            self.changes.insert(change, 1);
        } else {
            self.report.more_changes += 1;
        }
    }

    fn add_use(&mut self, choice: &IdentityChoice, namespace: &str, set: impl Fn(&mut Use)) {
        if let Some(known) = self.identities.get_mut(choice.name.as_str()) {
            set(known);
        } else if self.identities.len() < MAX_KEPT {
            let name = choice.name.to_string();
            let mut one = Use {
                identity: ReplayIdentity {
                    class: choice.class.clone(),
                    user: choice.user.to_string(),
                    namespace: namespace.to_owned(),
                    name: name.clone(),
                    values: choice.values.clone(),
                },
                before: false,
                after: false,
            };
            set(&mut one);
            self.identities.insert(name, one);
        } else {
            self.report.more_identities += 1;
        }
    }

    pub(super) fn finish(self) -> ReplayReport {
        let mut report = self.report;
        let changes = self.changes.into_iter();
        report.changes = changes
            .map(|(change, count)| ReplayChange {
                effect: match change.effect {
                    Some(EditEffect::Loses) => "loses",
                    Some(EditEffect::Changes | EditEffect::Keeps) => "changes",
                    None => "other",
                },
                requester: change.requester,
                namespace: change.namespace,
                before: change.before,
                after: change.after,
                count,
            })
            .collect();
        let rank = |effect: &str| {
            ["loses", "changes", "other"]
                .iter()
                .position(|e| *e == effect)
        };
        report.changes.sort_by(|a, b| {
            let key = |one: &ReplayChange| (rank(one.effect), std::cmp::Reverse(one.count));
            let order = key(a).cmp(&key(b));
            order.then_with(|| {
                let key = |one: &ReplayChange| (one.requester.clone(), one.namespace.clone());
                key(a).cmp(&key(b)).then_with(|| a.before.cmp(&b.before))
            })
        });
        for one in self.identities.into_values() {
            match (one.before, one.after) {
                (false, true) => report.new_identities.push(one.identity),
                (true, false) => report.draining_identities.push(one.identity),
                _ => report.kept_identities.push(one.identity),
            }
        }
        report.new_identities.sort();
        report.draining_identities.sort();
        report.kept_identities.sort();
        report
    }
}

fn describe(decision: &Decision) -> String {
    match decision {
        Decision::Identity(choice) => format!("identity {} (rule {})", choice.class, choice.rule),
        Decision::ServiceAccount { rule, name } => format!("service account {name} (rule {rule})"),
        Decision::Keep => "keeps its service account".to_owned(),
        Decision::Deny(refusal) => match &refusal.rule {
            Some(rule) => format!("refused: {} (rule {rule})", refusal.reason),
            None => format!("refused: {}", refusal.reason),
        },
    }
}

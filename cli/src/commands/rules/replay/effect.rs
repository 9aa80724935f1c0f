//! What an edit of the rules does to identities, grants and quotas. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use namesake_api::Identity;
use namesake_core::{
    DerivedIdentity, EditEffect, Grant, GrantTarget, Per, ReplayIdentity, ReplayReport, Rules,
};
use namesake_webhook::decide::validate::edit::EditCounts;
use serde::Serialize;

use super::live::Live;

/// What stands for the key of an identity in the text of a grant.
const KEY: &str = "{key}";
/// Kinds of quotas, as the broker reports them.
const GOOGLE_ACCOUNTS: &str = "google_service_accounts";
const POLICY_PRINCIPALS: &str = "policy_principals";
const SERVICE_ACCOUNTS: &str = "service_accounts";
/// Whose the quota of service accounts is.
const CLUSTER: &str = "cluster";

/// What becomes of an identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Then {
    /// The rules do not give it to anybody any more: no new pod gets it, and the broker removes it after a time.
    Drains,
    /// It gets another account at Google; `None` in mode direct.
    Account(Option<String>),
    /// It stays, and nothing that was decided uses it any more.
    Unused,
    /// It does not exist yet.
    New,
}

/// An identity that does not stay as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Changed {
    pub(super) then: Then,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) class: String,
    /// How many pods use it now.
    pub(super) pods: usize,
}

/// A grant that is written or removed at Google.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct ChangedGrant {
    pub(super) added: bool,
    pub(super) grant: String,
    /// For how many identities.
    pub(super) identities: usize,
}

/// A quota of which more or less is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct ChangedQuota {
    pub(super) kind: &'static str,
    pub(super) whose: String,
    /// What the broker reports now.
    pub(super) now: Option<String>,
    pub(super) change: i64,
}

/// What an edit does.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Effect {
    pub(super) identities: Vec<Changed>,
    pub(super) grants: Vec<ChangedGrant>,
    pub(super) quotas: Vec<ChangedQuota>,
    /// The counts of which the webhook warns when the rules are edited.
    #[serde(skip)]
    pub(super) counts: EditCounts,
}

/// An identity, as far as the rules derive it.
#[derive(Clone, Debug)]
struct Known {
    namespace: String,
    name: String,
    class: String,
    user: String,
    values: BTreeMap<Per, String>,
}

impl Known {
    fn of_cluster(identity: &Identity) -> Self {
        let spec = &identity.spec;
        let values = spec.values.iter();
        let values = values.filter_map(|(per, value)| Some((Per::parse(per)?, value.clone())));
        Self {
            namespace: identity.namespace().unwrap_or_default(),
            name: identity.name_any(),
            class: spec.class.clone(),
            user: spec.user.clone(),
            values: values.collect(),
        }
    }

    fn of_report(identity: &ReplayIdentity) -> Self {
        let user = identity.values.get(&Per::User).cloned();
        Self {
            namespace: identity.namespace.clone(),
            name: identity.name.clone(),
            class: identity.class.clone(),
            user: user.unwrap_or_default(),
            values: identity.values.clone(),
        }
    }

    fn derived(&self, rules: &Rules) -> Option<DerivedIdentity> {
        let derived = rules.rederive_identity(&self.namespace, &self.class, &self.values);
        derived.ok()
    }

    fn effect(&self, (old, new): (&Rules, &Rules)) -> EditEffect {
        old.effect_on_identity(new, &self.namespace, &self.class, &self.user)
    }

    fn changed(&self, then: Then, live: &Live) -> Changed {
        let place = (self.namespace.clone(), self.name.clone());
        Changed {
            then,
            pods: live.pods.get(&place).copied().unwrap_or_default(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            user: self.user.clone(),
            class: self.class.clone(),
        }
    }
}

impl Effect {
    /// What an edit from the first rules to the second does to what exists, or to what the requests of a log used.
    pub(super) fn of(rules: (&Rules, &Rules), report: &ReplayReport, live: &Live) -> Self {
        let mut effect = Self::default();
        effect.counts.parents = live.parents;
        let mut totals = Totals::default();
        let existing: Vec<_> = match &live.identities {
            None => {
                let used = report.kept_identities.iter();
                let used = used.chain(&report.draining_identities);
                used.map(Known::of_report).collect()
            }
            Some(identities) => {
                let works = |one: &&Identity| one.service_account_uid().is_some();
                let works = identities.iter().filter(works);
                works.map(Known::of_cluster).collect()
            }
        };
        // What is being removed already is not taken away by the edit.
        let stays = |one: &&Known| one.effect((rules.0, rules.0)) == EditEffect::Keeps;
        let existing: Vec<_> = existing.iter().filter(stays).collect();
        let unused: BTreeSet<_> = report
            .draining_identities
            .iter()
            .map(|one| &one.name)
            .collect();
        for one in existing {
            let happens = one.effect(rules);
            let loses_grant = rules.0.loses_grant(rules.1, &one.class);
            effect.counts.add_identity(happens, loses_grant);
            let before = one.derived(rules.0);
            let after = one
                .derived(rules.1)
                .filter(|_| happens != EditEffect::Loses);
            let then = match (happens, &after) {
                (EditEffect::Loses, _) | (_, None) => Some(Then::Drains),
                (EditEffect::Changes, Some(after)) => {
                    Some(Then::Account(after.google_service_account.clone()))
                }
                (EditEffect::Keeps, _) => unused.contains(&one.name).then_some(Then::Unused),
            };
            totals.add(before.as_ref(), after.as_ref());
            effect
                .identities
                .extend(then.map(|then| one.changed(then, live)));
        }
        let names = live.identities.iter().flatten();
        let names: BTreeSet<_> = names.map(ResourceExt::name_any).collect();
        for one in report
            .new_identities
            .iter()
            .filter(|one| !names.contains(&one.name))
        {
            let one = Known::of_report(one);
            totals.add(None, one.derived(rules.1).as_ref());
            effect.identities.push(one.changed(Then::New, live));
        }
        effect.identities.sort();
        (effect.grants, effect.quotas) = totals.finish(&live.quotas);
        effect
    }

    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.grants.is_empty() && self.quotas.is_empty()
    }

    /// Whether something is taken away, or gets another account.
    pub(super) fn takes_away(&self) -> bool {
        let of_identity = |one: &Changed| matches!(one.then, Then::Drains | Then::Account(_));
        self.identities.iter().any(of_identity) || self.grants.iter().any(|grant| !grant.added)
    }
}

impl ChangedQuota {
    /// What is used after the edit, such as `85 of 100`; nothing if the broker does not report it.
    pub(super) fn after(&self) -> Option<String> {
        let (used, limit) = self.numbers()?;
        let used = used.saturating_add(self.change).max(0);
        Some(match limit {
            Some(limit) if used > limit => format!("{used} of {limit}: too many"),
            Some(limit) => format!("{used} of {limit}"),
            None => used.to_string(),
        })
    }

    fn numbers(&self) -> Option<(i64, Option<i64>)> {
        let mut numbers = self.now.as_deref()?.split([' ', ',']);
        let used = numbers.next()?.parse().ok()?;
        let limit = match numbers.next() {
            Some("of") => numbers.next().and_then(|limit| limit.parse().ok()),
            _ => None,
        };
        Some((used, limit))
    }
}

/// Grants and quotas, counted identity by identity.
#[derive(Debug, Default)]
struct Totals {
    grants: BTreeMap<(bool, String), usize>,
    quotas: BTreeMap<(&'static str, String), i64>,
}

impl Totals {
    fn add(&mut self, before: Option<&DerivedIdentity>, after: Option<&DerivedIdentity>) {
        let member = |one: &DerivedIdentity| (one.mode, one.google_service_account.clone());
        // Another account is another member: each of its grants is written again.
        let is_same = before.map(member) == after.map(member);
        let (old, new) = (grants(before), grants(after));
        for grant in old.iter().filter(|grant| !is_same || !new.contains(*grant)) {
            *self.grants.entry((false, grant.clone())).or_default() += 1;
        }
        for grant in new.iter().filter(|grant| !is_same || !old.contains(*grant)) {
            *self.grants.entry((true, grant.clone())).or_default() += 1;
        }
        for (used, sign) in [(before, -1), (after, 1)] {
            for quota in quotas(used) {
                *self.quotas.entry(quota).or_default() += sign;
            }
        }
    }

    fn finish(self, reported: &BTreeMap<String, String>) -> (Vec<ChangedGrant>, Vec<ChangedQuota>) {
        let grants = self.grants.into_iter();
        let grants = grants.map(|((added, grant), identities)| ChangedGrant {
            added,
            grant,
            identities,
        });
        let quotas = self.quotas.into_iter().filter(|(_, change)| *change != 0);
        let quotas = quotas.map(|((kind, whose), change)| ChangedQuota {
            kind,
            now: reported.get(&format!("{kind}.{}", key(&whose))).cloned(),
            whose,
            change,
        });
        (grants.collect(), quotas.collect())
    }
}

/// The name of a policy in the keys of the report.
fn key(whose: &str) -> String {
    whose.replace('/', "_")
}

/// The grants of an identity as text in which its key is not filled in, so that those of one class are equal.
fn grants(identity: Option<&DerivedIdentity>) -> BTreeSet<String> {
    let grants = identity.iter().flat_map(|one| {
        let text = |grant: &Grant| describe(grant).replace(&one.key, KEY);
        one.grants.iter().map(text)
    });
    grants.collect()
}

fn describe(grant: &Grant) -> String {
    let on = match &grant.on {
        GrantTarget::Folder { bucket, folder } => format!("folder {bucket}/{folder}"),
        GrantTarget::Bucket { bucket } => format!("bucket {bucket}"),
        GrantTarget::Prefix { bucket, prefix } => format!("objects {bucket}/{prefix}*"),
        GrantTarget::OwnServiceAccount => "its own account".to_owned(),
        GrantTarget::Project { project } => format!("project {project}"),
    };
    format!("{} on {on}", grant.role)
}

/// What an identity uses one of. A folder has a policy of its own, so it fills none that others use.
fn quotas(identity: Option<&DerivedIdentity>) -> BTreeSet<(&'static str, String)> {
    let Some(one) = identity else {
        return BTreeSet::new();
    };
    let policies = one.grants.iter().filter_map(|grant| match &grant.on {
        GrantTarget::Bucket { bucket } | GrantTarget::Prefix { bucket, .. } => {
            Some((POLICY_PRINCIPALS, format!("bucket/{bucket}")))
        }
        GrantTarget::Project { project } => Some((POLICY_PRINCIPALS, format!("project/{project}"))),
        GrantTarget::Folder { .. } | GrantTarget::OwnServiceAccount => None,
    });
    let is_created = one.google_service_account.is_some() && !one.pinned;
    let account = is_created.then(|| (GOOGLE_ACCOUNTS, one.project.clone()));
    let in_cluster = [(SERVICE_ACCOUNTS, CLUSTER.to_owned())];
    policies.chain(account).chain(in_cluster).collect()
}

#[cfg(test)]
mod tests;

//! Garbage: accounts that have the mark of this installation and belong to no Identity. Deciding what is garbage is pure; `collect`
//! finds it, waits, and deletes it.

pub mod collect;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt;
use namesake_api::{Identity, Mark, names};
use namesake_core::{Rules, is_managed_name};
use namesake_gcp::ServiceAccount as GoogleServiceAccount;

use crate::cluster::requests::namespace_and_name;
use crate::identity::phase::elapsed;

/// The names of all Identities and of their accounts at Google, as hashes, because there may be many thousands. If two hashes are
/// equal, garbage is kept; nothing is deleted by mistake.
#[derive(Clone, Debug, Default)]
pub struct InUse {
    hashes: HashSet<u64>,
    hasher: RandomState,
}

/// What an Identity uses.
#[derive(Hash)]
enum Used<'a> {
    Name(&'a str, &'a str),
    Email(&'a str),
    Id(&'a str),
}

impl InUse {
    /// Adds an Identity, whatever phase it is in.
    pub fn add(&mut self, identity: &Identity) {
        let (namespace, name) = namespace_and_name(identity);
        self.insert(&Used::Name(&namespace, &name));
        if let Some(email) = &identity.spec.google_service_account {
            self.insert(&Used::Email(email));
        }
        let status = identity.status.as_ref();
        if let Some(id) = status.and_then(|status| status.google_service_account_id.as_ref()) {
            self.insert(&Used::Id(id));
        }
    }

    fn insert(&mut self, used: &Used<'_>) {
        self.hashes.insert(self.hasher.hash_one(used));
    }

    fn contains(&self, used: &Used<'_>) -> bool {
        self.hashes.contains(&self.hasher.hash_one(used))
    }
}

/// The mark in this text, if it is one of the installation that these rules are for: only what has its mark is ours.
#[must_use]
pub fn our_mark(rules: &Rules, text: &str) -> Option<Mark> {
    let mark: Mark = text.parse().ok()?;
    let is_ours = mark.stack() == rules.stack() && mark.cluster() == rules.cluster();
    (is_ours && is_managed_name(mark.name())).then_some(mark)
}

/// Whether a GSA is garbage: it has our mark with its own name, and no Identity uses it.
#[must_use]
pub fn is_google_garbage(rules: &Rules, account: &GoogleServiceAccount, in_use: &InUse) -> bool {
    let id = account.email.split('@').next().unwrap_or_default();
    let mark = our_mark(rules, &account.description);
    mark.is_some_and(|mark| mark.name() == id)
        && !in_use.contains(&Used::Email(&account.email))
        && !in_use.contains(&Used::Id(&account.unique_id))
}

/// Whether a KSA is garbage: it has our mark with its own name, and no Identity has that name.
#[must_use]
pub fn is_garbage(rules: &Rules, account: &ServiceAccount, in_use: &InUse) -> bool {
    let (namespace, name) = namespace_and_name(account);
    let mark = account.annotations().get(names::MARK_ANNOTATION);
    let mark = mark.and_then(|text| our_mark(rules, text));
    mark.is_some_and(|mark| mark.namespace() == namespace && mark.name() == name)
        && !in_use.contains(&Used::Name(&namespace, &name))
}

/// The garbage in each project or namespace; `None` if it could not be listed.
pub type Found<T> = BTreeMap<String, Option<Vec<T>>>;

/// The same with this text of each object.
pub fn texts<T>(found: &Found<T>, text: impl Fn(&T) -> String) -> Found<String> {
    let texts = |all: &Vec<T>| all.iter().map(&text).collect();
    let places = found.iter();
    places
        .map(|(place, all)| (place.clone(), all.as_ref().map(texts)))
        .collect()
}

/// Since when each object has been garbage, by its project or namespace. In memory only: after a restart the grace period begins
/// again.
#[derive(Debug, Default)]
pub struct FirstSeen(HashMap<String, HashMap<String, Timestamp>>);

impl FirstSeen {
    /// Records the ids of what is garbage now; where nothing could be listed, the earlier times stay. Returns what has been garbage
    /// for at least the grace period.
    pub fn due(
        &mut self,
        now: Timestamp,
        grace: Duration,
        found: &Found<String>,
    ) -> HashSet<String> {
        self.0.retain(|place, _| found.contains_key(place));
        let mut due = HashSet::new();
        for (place, ids) in found {
            let Some(ids) = ids else { continue };
            let seen = self.0.entry(place.clone()).or_default();
            seen.retain(|id, _| ids.contains(id));
            for id in ids {
                let since = *seen.entry(id.clone()).or_insert(now);
                if elapsed(since, now) >= grace {
                    due.insert(id.clone());
                }
            }
        }
        due
    }
}

#[cfg(test)]
mod tests;

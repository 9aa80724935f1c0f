//! What carries our mark and belongs to no Identity. Deciding is pure; `collect` looks, waits for the grace, and takes away.

mod collect;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ServiceAccount as Account;
use kube::ResourceExt;
use namesake_api::{Identity, Mark, names};
use namesake_core::is_managed_name;
use namesake_gcp::ServiceAccount;

pub use collect::run;

/// Whose we are: only what this stack made for this cluster is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    /// Our stack.
    pub stack: String,
    /// Our cluster.
    pub cluster: String,
}

/// The names of all Identities, and the accounts at Google that they have: as hashes, because there may be many thousands.
/// Two that have the same make something look wanted that is not, never the other way round.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    seen: HashSet<u64>,
    hasher: RandomState,
}

/// What an Identity has.
#[derive(Hash)]
enum Has<'a> {
    Name(&'a str, &'a str),
    Email(&'a str),
    Id(&'a str),
}

impl Wanted {
    /// Of these Identities, whatever phase they are in.
    pub fn of<'a>(identities: impl Iterator<Item = &'a Identity>) -> Self {
        let mut wanted = Self::default();
        identities.for_each(|one| wanted.add(one));
        wanted
    }

    /// One Identity more.
    pub fn add(&mut self, identity: &Identity) {
        let namespace = identity.namespace().unwrap_or_default();
        self.insert(&Has::Name(&namespace, &identity.name_any()));
        if let Some(email) = &identity.spec.google_service_account {
            self.insert(&Has::Email(email));
        }
        let status = identity.status.as_ref();
        if let Some(id) = status.and_then(|status| status.google_service_account_id.as_ref()) {
            self.insert(&Has::Id(id));
        }
    }

    fn insert(&mut self, what: &Has<'_>) {
        self.seen.insert(self.hasher.hash_one(what));
    }

    fn has(&self, what: &Has<'_>) -> bool {
        self.seen.contains(&self.hasher.hash_one(what))
    }
}

impl Ours {
    /// The mark of something, if it is ours.
    #[must_use]
    pub fn mark(&self, text: &str) -> Option<Mark> {
        let mark: Mark = text.parse().ok()?;
        let ours = mark.stack() == self.stack && mark.cluster() == self.cluster;
        (ours && is_managed_name(mark.name())).then_some(mark)
    }

    /// Whether a GSA is ours and nobody's: its mark is ours and names it, and no Identity has it.
    #[must_use]
    pub fn is_dead_google_account(&self, account: &ServiceAccount, wanted: &Wanted) -> bool {
        let id = account.email.split('@').next().unwrap_or_default();
        self.mark(&account.description)
            .is_some_and(|mark| mark.name() == id)
            && !wanted.has(&Has::Email(&account.email))
            && !wanted.has(&Has::Id(&account.unique_id))
    }

    /// Whether a KSA is ours and nobody's.
    #[must_use]
    pub fn is_dead_account(&self, account: &Account, wanted: &Wanted) -> bool {
        let at = (account.namespace().unwrap_or_default(), account.name_any());
        let mark = account.annotations().get(names::MARK_ANNOTATION);
        mark.and_then(|text| self.mark(text))
            .is_some_and(|mark| (mark.namespace(), mark.name()) == (&*at.0, &*at.1))
            && !wanted.has(&Has::Name(&at.0, &at.1))
    }
}

/// Since when something has been nobody's. Kept in memory: after a restart the grace begins anew.
#[derive(Debug, Default)]
pub struct Seen(HashMap<String, Timestamp>);

impl Seen {
    /// Takes note of what is nobody's now, and answers what has been for as long as the grace.
    pub fn due(&mut self, now: Timestamp, grace: SignedDuration, dead: &[String]) -> Vec<String> {
        self.0.retain(|key, _| dead.contains(key));
        for key in dead {
            self.0.entry(key.clone()).or_insert(now);
        }
        let old = |since: &Timestamp| now.duration_since(*since) >= grace;
        dead.iter()
            .filter(|key| self.0.get(*key).is_some_and(old))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests;

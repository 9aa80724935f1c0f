//! Managed KSAs of the namespaces that are watched, as the watches show them: their UIDs, and whether they look as they should.
//! So that nobody has to read each of them to see that nothing has changed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::identity::objects::{Digest, Judgement, digest, judge_looks};

/// What the watches have shown.
#[derive(Debug, Default)]
pub struct Accounts(RwLock<HashMap<String, Namespace>>);

#[derive(Debug, Default)]
struct Namespace {
    /// Whether `accounts` is all there is.
    listed: bool,
    /// Whether it was so at any time.
    known: bool,
    accounts: ByName,
    /// Those of before, while they are listed anew.
    before: ByName,
    /// Hashes of versions that were read, and were right, before the watch has shown them.
    read: HashMap<Box<str>, u64>,
}

type ByName = HashMap<Box<str>, Shown>;

/// One account.
#[derive(Debug)]
struct Shown {
    uid: Box<str>,
    /// Hash of its resourceVersion.
    version: u64,
    looks: Digest,
    /// It was changed, and nobody has looked at all of it since: a watch of metadata does not show everything.
    doubt: bool,
}

impl Accounts {
    /// Those of a namespace are about to be listed.
    pub fn begin(&self, namespace: &str) {
        let mut all = self.write();
        let here = all.entry(namespace.to_owned()).or_default();
        here.listed = false;
        here.before = std::mem::take(&mut here.accounts);
        here.read = HashMap::new();
    }

    /// All of a namespace are there.
    pub fn done(&self, namespace: &str) {
        let mut all = self.write();
        let here = all.entry(namespace.to_owned()).or_default();
        (here.listed, here.known) = (true, true);
        here.accounts.shrink_to_fit();
        here.before = HashMap::new();
    }

    /// One is there, or was changed.
    pub fn apply(&self, namespace: &str, account: &ObjectMeta) {
        let (Some(name), Some(uid)) = (account.name.as_deref(), account.uid.as_deref()) else {
            return;
        };
        let version = hash(account.resource_version.as_deref());
        let mut all = self.write();
        let here = all.entry(namespace.to_owned()).or_default();
        let before = if here.listed {
            here.accounts.get(name)
        } else {
            here.before.get(name)
        };
        // What is there at the start is looked at in its turn, as everything is.
        let doubt = before.map_or(here.known, |old| old.doubt || old.version != version);
        let was_read = here.read.get(name) == Some(&version);
        if was_read {
            here.read.remove(name);
        }
        let shown = Shown {
            uid: uid.into(),
            version,
            looks: digest(account),
            doubt: doubt && !was_read,
        };
        here.accounts.insert(name.into(), shown);
    }

    /// One is gone.
    pub fn remove(&self, namespace: &str, name: &str) {
        if let Some(here) = self.write().get_mut(namespace) {
            here.accounts.remove(name);
            here.read.remove(name);
        }
    }

    /// A namespace is not watched any more.
    pub fn forget(&self, namespace: &str) {
        self.write().remove(namespace);
    }

    /// Whether all of a namespace are known.
    #[must_use]
    pub fn are_listed(&self, namespace: &str) -> bool {
        self.read().get(namespace).is_some_and(|here| here.listed)
    }

    /// UID of the one that is there now.
    #[must_use]
    pub fn uid(&self, namespace: &str, name: &str) -> Option<String> {
        let all = self.read();
        let shown = all.get(namespace)?.accounts.get(name)?;
        Some(shown.uid.to_string())
    }

    /// What the one with this UID is, if it is there and looks as it is wanted. None says only that somebody should look: at one
    /// that is not owned yet, whoever makes it so will.
    #[must_use]
    pub fn judge(&self, wanted: &ServiceAccount, uid: &str) -> Option<Judgement> {
        let metadata = &wanted.metadata;
        let (namespace, name) = (metadata.namespace.as_ref()?, metadata.name.as_deref()?);
        let all = self.read();
        let here = all.get(namespace).filter(|here| here.listed)?;
        let shown = here.accounts.get(name)?;
        let judged = judge_looks(&shown.looks, metadata).filter(|_| *shown.uid == *uid);
        judged.filter(|judged| !shown.doubt || *judged == Judgement::Unowned)
    }

    /// All of this one was read, and it was as it is wanted. The watch may not have shown it yet.
    pub fn found_right(&self, account: &ObjectMeta) {
        let (Some(namespace), Some(name)) = (&account.namespace, account.name.as_deref()) else {
            return;
        };
        let version = hash(account.resource_version.as_deref());
        let mut all = self.write();
        let here = all.get_mut(namespace);
        if let Some(shown) = here.and_then(|here| here.accounts.get_mut(name))
            && shown.version == version
        {
            shown.doubt = false;
        } else if let Some(here) = all.get_mut(namespace) {
            here.read.insert(name.into(), version);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Namespace>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Namespace>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(version: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    version.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;
    use namesake_api::names;

    use super::*;
    use crate::fixtures;
    use crate::identity::objects::{mark, service_account};

    const HERE: &str = "research";

    fn account(version: &str) -> ServiceAccount {
        let identity = fixtures::identity();
        let mut account = service_account(&identity, &mark(&identity).unwrap());
        account.metadata.uid = Some("u-1".into());
        account.metadata.resource_version = Some(version.into());
        account
    }

    fn listed(accounts: &Accounts, version: &str) {
        accounts.begin(HERE);
        accounts.apply(HERE, &account(version).metadata);
        accounts.done(HERE);
    }

    fn right(accounts: &Accounts) -> bool {
        accounts.judge(&account("?"), "u-1") == Some(Judgement::Right)
    }

    #[test]
    fn what_is_there_at_the_start_and_looks_right_need_not_be_read() {
        let accounts = Accounts::default();
        accounts.begin(HERE);
        accounts.apply(HERE, &account("1").metadata);
        assert!(!right(&accounts), "not all of them are known yet");
        assert!(!accounts.are_listed(HERE));
        accounts.done(HERE);
        assert!(right(&accounts) && accounts.are_listed(HERE));
        assert_eq!(accounts.judge(&account("1"), "u-2"), None);
        let name = account("1").metadata.name.unwrap();
        assert_eq!(accounts.uid(HERE, &name).as_deref(), Some("u-1"));
        accounts.remove(HERE, &name);
        assert!(!right(&accounts));
        assert_eq!(accounts.uid(HERE, &name), None);
    }

    #[test]
    fn what_was_changed_is_read_once_also_when_the_change_does_not_show() {
        let accounts = Accounts::default();
        listed(&accounts, "1");
        accounts.apply(HERE, &account("2").metadata);
        assert!(!right(&accounts));
        accounts.found_right(&account("1").metadata);
        assert!(!right(&accounts), "that was an older one");
        accounts.found_right(&account("2").metadata);
        assert!(right(&accounts));
    }

    #[test]
    fn what_was_read_before_the_watch_has_shown_it_need_not_be_read_again() {
        let accounts = Accounts::default();
        listed(&accounts, "1");
        accounts.found_right(&account("2").metadata);
        accounts.apply(HERE, &account("2").metadata);
        assert!(right(&accounts));
        accounts.apply(HERE, &account("3").metadata);
        assert!(!right(&accounts));
        accounts.found_right(&account("4").metadata);
        accounts.apply(HERE, &account("5").metadata);
        assert!(!right(&accounts), "another was read");
    }

    #[test]
    fn one_that_is_new_and_not_owned_yet_is_read_by_who_makes_it_so() {
        let mut identity = fixtures::identity();
        let number = (names::CREATION_ANNOTATION.to_owned(), "1f".to_owned());
        identity.annotations_mut().extend([number]);
        let wanted = service_account(&identity, &mark(&identity).unwrap());
        let mut new = wanted.metadata.clone();
        new.uid = Some("u-1".into());
        let accounts = Accounts::default();
        listed(&accounts, "1");
        accounts.remove(HERE, new.name.as_deref().unwrap());
        accounts.apply(HERE, &new);
        assert_eq!(accounts.judge(&wanted, "u-1"), None, "nobody has read it");
        new.owner_references = None;
        accounts.apply(HERE, &new);
        let judged = accounts.judge(&wanted, "u-1");
        assert_eq!(judged, Some(Judgement::Unowned));
    }

    #[test]
    fn a_list_made_anew_shows_what_was_changed_while_nobody_watched() {
        let accounts = Accounts::default();
        listed(&accounts, "1");
        listed(&accounts, "1");
        assert!(right(&accounts));
        listed(&accounts, "2");
        assert!(!right(&accounts));
        accounts.found_right(&account("2").metadata);
        accounts.begin(HERE);
        accounts.done(HERE);
        assert!(!right(&accounts), "it is gone");
        accounts.forget(HERE);
        assert!(!accounts.are_listed(HERE));
    }

    #[test]
    fn one_that_looks_otherwise_has_to_be_read() {
        let accounts = Accounts::default();
        let mut other = account("1");
        let annotations = other.metadata.annotations.as_mut().unwrap();
        annotations.insert("iam.gke.io/gcp-service-account".into(), "root@x".into());
        accounts.begin(HERE);
        accounts.apply(HERE, &other.metadata);
        accounts.done(HERE);
        assert!(!right(&accounts));
    }
}

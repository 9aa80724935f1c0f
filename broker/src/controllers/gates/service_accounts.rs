//! Managed KSAs of the watched namespaces: their UIDs, and whether they are as they should be, so that the controller need not read
//! each of them to see that nothing has changed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::RwLock;

use crate::identity::objects::judgement::{Digest, Judgement, digest, judge_digest};

/// The KSAs that the watches have seen.
#[derive(Debug, Default)]
pub struct ServiceAccounts(RwLock<HashMap<String, NamespaceAccounts>>);

#[derive(Debug, Default)]
struct NamespaceAccounts {
    /// Whether `accounts` is complete.
    listed: bool,
    /// Whether it was complete before.
    listed_before: bool,
    accounts: ByName,
    /// The accounts of the previous list, during a new one.
    before: ByName,
    /// Hashes of versions that were read and found right before the watch has shown them.
    read: HashMap<Box<str>, u64>,
}

type ByName = HashMap<Box<str>, SeenAccount>;

/// A KSA as the watch last showed it.
#[derive(Debug)]
struct SeenAccount {
    uid: Box<str>,
    /// Hash of its resourceVersion.
    version: u64,
    digest: Digest,
    /// It was changed and has not been read since: a watch of metadata does not show everything.
    unread: bool,
}

impl ServiceAccounts {
    /// A list of a namespace begins.
    pub fn begin_list(&self, namespace: &str) {
        let mut all = self.0.write();
        let here = all.entry(namespace.to_owned()).or_default();
        here.listed = false;
        here.before = std::mem::take(&mut here.accounts);
        here.read = HashMap::new();
    }

    /// The list of a namespace is complete.
    pub fn finish_list(&self, namespace: &str) {
        let mut all = self.0.write();
        let here = all.entry(namespace.to_owned()).or_default();
        (here.listed, here.listed_before) = (true, true);
        here.accounts.shrink_to_fit();
        here.before = HashMap::new();
    }

    /// A KSA exists, or was changed.
    pub fn apply(&self, namespace: &str, account: &ObjectMeta) {
        let (Some(name), Some(uid)) = (account.name.as_deref(), account.uid.as_deref()) else {
            return;
        };
        let version = hash(account.resource_version.as_deref());
        let mut all = self.0.write();
        let here = all.entry(namespace.to_owned()).or_default();
        let before = if here.listed {
            here.accounts.get(name)
        } else {
            here.before.get(name)
        };
        // KSAs of the first list are read in the periodic drift check.
        let changed = before.map_or(here.listed_before, |old| {
            old.unread || old.version != version
        });
        let was_read = here.read.get(name) == Some(&version);
        if was_read {
            here.read.remove(name);
        }
        let seen = SeenAccount {
            uid: uid.into(),
            version,
            digest: digest(account),
            unread: changed && !was_read,
        };
        here.accounts.insert(name.into(), seen);
    }

    /// A KSA was deleted.
    pub fn remove(&self, namespace: &str, name: &str) {
        if let Some(here) = self.0.write().get_mut(namespace) {
            here.accounts.remove(name);
            here.read.remove(name);
        }
    }

    /// A namespace is not watched any more.
    pub fn forget_namespace(&self, namespace: &str) {
        self.0.write().remove(namespace);
    }

    /// Whether the list of a namespace is complete.
    #[must_use]
    pub fn are_listed(&self, namespace: &str) -> bool {
        self.0.read().get(namespace).is_some_and(|here| here.listed)
    }

    /// UID of the existing KSA of this name.
    #[must_use]
    pub fn uid(&self, namespace: &str, name: &str) -> Option<String> {
        let all = self.0.read();
        let seen = all.get(namespace)?.accounts.get(name)?;
        Some(seen.uid.to_string())
    }

    /// Compares the KSA with this UID with the wanted one. `None` if it has to be read. A KSA without an owner need not be read: the
    /// step that sets the owner does that.
    #[must_use]
    pub fn judge(&self, wanted: &ServiceAccount, uid: &str) -> Option<Judgement> {
        let metadata = &wanted.metadata;
        let (namespace, name) = (metadata.namespace.as_ref()?, metadata.name.as_deref()?);
        let all = self.0.read();
        let here = all.get(namespace).filter(|here| here.listed)?;
        let seen = here.accounts.get(name).filter(|seen| *seen.uid == *uid)?;
        let judgement = judge_digest(&seen.digest, metadata);
        judgement.filter(|judgement| !seen.unread || *judgement == Judgement::Unowned)
    }

    /// This version was read, and is as it should be. The watch may not have shown it yet.
    pub fn mark_right(&self, account: &ObjectMeta) {
        let (Some(namespace), Some(name)) = (&account.namespace, account.name.as_deref()) else {
            return;
        };
        let version = hash(account.resource_version.as_deref());
        let mut all = self.0.write();
        let here = all.get_mut(namespace);
        if let Some(seen) = here.and_then(|here| here.accounts.get_mut(name))
            && seen.version == version
        {
            seen.unread = false;
        } else if let Some(here) = all.get_mut(namespace) {
            here.read.insert(name.into(), version);
        }
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

    fn listed(accounts: &ServiceAccounts, version: &str) {
        accounts.begin_list(HERE);
        accounts.apply(HERE, &account(version).metadata);
        accounts.finish_list(HERE);
    }

    fn right(accounts: &ServiceAccounts) -> bool {
        accounts.judge(&account("?"), "u-1") == Some(Judgement::Right)
    }

    #[test]
    fn a_ksa_of_the_first_list_that_looks_right_need_not_be_read() {
        let accounts = ServiceAccounts::default();
        accounts.begin_list(HERE);
        accounts.apply(HERE, &account("1").metadata);
        assert!(!right(&accounts), "the list is not complete");
        assert!(!accounts.are_listed(HERE));
        accounts.finish_list(HERE);
        assert!(right(&accounts) && accounts.are_listed(HERE));
        assert_eq!(accounts.judge(&account("1"), "u-2"), None);
        let name = account("1").metadata.name.unwrap();
        assert_eq!(accounts.uid(HERE, &name).as_deref(), Some("u-1"));
        accounts.remove(HERE, &name);
        assert!(!right(&accounts));
        assert_eq!(accounts.uid(HERE, &name), None);
    }

    #[test]
    fn a_changed_ksa_has_to_be_read_once_even_if_its_metadata_look_right() {
        let accounts = ServiceAccounts::default();
        listed(&accounts, "1");
        accounts.apply(HERE, &account("2").metadata);
        assert!(!right(&accounts));
        accounts.mark_right(&account("1").metadata);
        assert!(!right(&accounts), "that was an older version");
        accounts.mark_right(&account("2").metadata);
        assert!(right(&accounts));
    }

    #[test]
    fn a_version_that_was_read_before_the_watch_has_shown_it_need_not_be_read_again() {
        let accounts = ServiceAccounts::default();
        listed(&accounts, "1");
        accounts.mark_right(&account("2").metadata);
        accounts.apply(HERE, &account("2").metadata);
        assert!(right(&accounts));
        accounts.apply(HERE, &account("3").metadata);
        assert!(!right(&accounts));
        accounts.mark_right(&account("4").metadata);
        accounts.apply(HERE, &account("5").metadata);
        assert!(!right(&accounts), "another version was read");
    }

    #[test]
    fn a_new_ksa_without_an_owner_need_not_be_read() {
        let mut identity = fixtures::identity();
        let number = (names::CREATION_ANNOTATION.to_owned(), "1f".to_owned());
        identity.annotations_mut().extend([number]);
        let wanted = service_account(&identity, &mark(&identity).unwrap());
        let mut new = wanted.metadata.clone();
        new.uid = Some("u-1".into());
        let accounts = ServiceAccounts::default();
        listed(&accounts, "1");
        accounts.remove(HERE, new.name.as_deref().unwrap());
        accounts.apply(HERE, &new);
        assert_eq!(accounts.judge(&wanted, "u-1"), None, "it has not been read");
        new.owner_references = None;
        accounts.apply(HERE, &new);
        let judgement = accounts.judge(&wanted, "u-1");
        assert_eq!(judgement, Some(Judgement::Unowned));
    }

    #[test]
    fn a_new_list_shows_changes_that_the_watch_missed() {
        let accounts = ServiceAccounts::default();
        listed(&accounts, "1");
        listed(&accounts, "1");
        assert!(right(&accounts));
        listed(&accounts, "2");
        assert!(!right(&accounts));
        accounts.mark_right(&account("2").metadata);
        accounts.begin_list(HERE);
        accounts.finish_list(HERE);
        assert!(!right(&accounts), "it was deleted");
        accounts.forget_namespace(HERE);
        assert!(!accounts.are_listed(HERE));
    }

    #[test]
    fn a_ksa_with_other_metadata_has_to_be_read() {
        let accounts = ServiceAccounts::default();
        let mut other = account("1");
        let annotations = other.metadata.annotations.as_mut().unwrap();
        annotations.insert("iam.gke.io/gcp-service-account".into(), "root@x".into());
        accounts.begin_list(HERE);
        accounts.apply(HERE, &other.metadata);
        accounts.finish_list(HERE);
        assert!(!right(&accounts));
    }
}

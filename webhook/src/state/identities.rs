//! Identities in memory, reduced to what admission reads, so that a known user's pod costs no call.

use parking_lot::RwLock;
use std::collections::{HashMap, HashSet};

use crate::decide::known::KnownIdentity;

type ByName = HashMap<Box<str>, KnownIdentity>;

/// All Identities that the watch has seen, by namespace and name.
#[derive(Debug, Default)]
pub struct Identities(RwLock<HashMap<Box<str>, ByName>>);

impl Identities {
    /// The Identity of this name in this namespace.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<KnownIdentity> {
        let all = self.0.read();
        all.get(namespace)?.get(name).cloned()
    }

    /// Adds or replaces one.
    pub fn apply(&self, namespace: &str, name: &str, known: KnownIdentity) {
        let mut all = self.0.write();
        let names = all.entry(namespace.into()).or_default();
        names.insert(name.into(), known);
    }

    /// Removes one.
    pub fn delete(&self, namespace: &str, name: &str) {
        let mut all = self.0.write();
        if let Some(names) = all.get_mut(namespace) {
            names.remove(name);
            if names.is_empty() {
                all.remove(namespace);
            }
        }
    }

    /// Removes all that a complete list does not contain.
    pub fn keep_only(&self, listed: &HashSet<(String, String)>) {
        let mut all = self.0.write();
        for (namespace, names) in all.iter_mut() {
            names.retain(|name, _| listed.contains(&(namespace.to_string(), name.to_string())));
        }
        all.retain(|_, names| !names.is_empty());
    }

    /// The number of Identities.
    #[must_use]
    pub fn len(&self) -> usize {
        let all = self.0.read();
        all.values().map(HashMap::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(user: &str) -> KnownIdentity {
        KnownIdentity {
            user: user.to_owned(),
            class: "research".to_owned(),
            service_account_uid: Some("u".into()),
            ready: true,
            stalled: None,
        }
    }

    #[test]
    fn an_identity_is_found_in_its_own_namespace_only_and_removed_if_a_list_lacks_it() {
        let all = Identities::default();
        all.apply("research", "mf-a", known("alice@acme.com"));
        all.apply("prod", "mf-b", known("bob@acme.com"));
        assert_eq!(all.get("research", "mf-a"), Some(known("alice@acme.com")));
        assert_eq!(all.get("prod", "mf-a"), None);
        all.keep_only(&HashSet::from([("prod".to_owned(), "mf-b".to_owned())]));
        assert_eq!((all.get("research", "mf-a"), all.len()), (None, 1));
        all.delete("prod", "mf-b");
        assert!(all.is_empty());
    }
}

//! What the watch knows of the objects that pods come from: their metadata, by namespace and UID.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

/// What is kept of one parent. Only kinds that cannot change what they run are kept (Job).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its name.
    pub name: Box<str>,
    /// The prefix that its name was made from.
    pub generate_name: Option<Box<str>>,
    /// When it was made: seconds since 1970.
    pub created: i64,
    /// Its stamp, as written; checked at every use.
    pub stamp: Option<Box<str>>,
}

type ByUid = HashMap<Box<str>, Arc<Parent>>;

/// All parents that the watches have seen, by namespace and UID.
#[derive(Debug, Default)]
pub struct Parents(RwLock<HashMap<Box<str>, ByUid>>);

impl Parents {
    /// The parent of this UID in this namespace.
    #[must_use]
    pub fn get(&self, namespace: &str, uid: &str) -> Option<Arc<Parent>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(namespace)?.get(uid).cloned()
    }

    /// Adds or replaces one.
    pub fn apply(&self, namespace: &str, uid: &str, parent: Parent) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let uids = all.entry(namespace.into()).or_default();
        uids.insert(uid.into(), Arc::new(parent));
    }

    /// Forgets one.
    pub fn delete(&self, namespace: &str, uid: &str) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(uids) = all.get_mut(namespace) {
            uids.remove(uid);
        }
    }

    /// Forgets whatever a complete list of this namespace did not name.
    pub fn keep_only(&self, namespace: &str, listed: &HashSet<String>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(uids) = all.get_mut(namespace) {
            uids.retain(|uid, _| listed.contains(&**uid));
        }
    }

    /// Forgets a namespace that opted out.
    pub fn forget(&self, namespace: &str) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(namespace);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
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

    fn parent(name: &str) -> Parent {
        Parent {
            name: name.into(),
            generate_name: None,
            created: 7,
            stamp: None,
        }
    }

    #[test]
    fn a_parent_is_found_by_its_uid_in_its_own_namespace_only() {
        let all = Parents::default();
        all.apply("research", "u1", parent("a"));
        all.apply("research", "u2", parent("b"));
        assert_eq!(&*all.get("research", "u1").unwrap().name, "a");
        assert!(all.get("prod", "u1").is_none());
        all.keep_only("research", &HashSet::from(["u2".to_owned()]));
        assert!(all.get("research", "u1").is_none());
        all.delete("research", "u2");
        assert!(all.is_empty());
        all.apply("research", "u3", parent("c"));
        all.forget("research");
        assert_eq!(all.len(), 0);
    }
}

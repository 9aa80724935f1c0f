//! Parents in memory: their metadata and what they run.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::decide::known::KnownParent;

type ByUid = HashMap<Box<str>, Arc<KnownParent>>;

/// All parents that the watches have seen, by namespace and UID.
#[derive(Debug, Default)]
pub struct Parents(RwLock<HashMap<Box<str>, ByUid>>);

impl Parents {
    /// The parent of this kind and UID in this namespace.
    #[must_use]
    pub fn get(&self, namespace: &str, kind: &str, uid: &str) -> Option<Arc<KnownParent>> {
        let all = self.0.read();
        let found = all.get(namespace)?.get(uid)?;
        (found.kind == kind).then(|| found.clone())
    }

    /// The parent of this UID in this namespace, of whatever kind.
    #[must_use]
    pub fn by_uid(&self, namespace: &str, uid: &str) -> Option<Arc<KnownParent>> {
        let all = self.0.read();
        all.get(namespace)?.get(uid).cloned()
    }

    /// Adds or replaces one, and returns it.
    pub fn apply(&self, namespace: &str, uid: &str, parent: KnownParent) -> Arc<KnownParent> {
        let parent = Arc::new(parent);
        let mut all = self.0.write();
        let uids = all.entry(namespace.into()).or_default();
        uids.insert(uid.into(), parent.clone());
        parent
    }

    /// Removes one.
    pub fn delete(&self, namespace: &str, uid: &str) {
        let mut all = self.0.write();
        if let Some(uids) = all.get_mut(namespace) {
            uids.remove(uid);
        }
    }

    /// Removes all of a kind that a complete list of this namespace does not contain.
    pub fn keep_only(&self, namespace: &str, kind: &str, listed: &HashSet<String>) {
        let mut all = self.0.write();
        if let Some(uids) = all.get_mut(namespace) {
            uids.retain(|uid, parent| parent.kind != kind || listed.contains(&**uid));
        }
    }

    /// All of a namespace, with their UIDs.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Vec<(Box<str>, Arc<KnownParent>)> {
        let all = self.0.read();
        let found = all.get(namespace).into_iter().flatten();
        found
            .map(|(uid, parent)| (uid.clone(), parent.clone()))
            .collect()
    }

    /// Removes all of a namespace that opted out.
    pub fn delete_namespace(&self, namespace: &str) {
        let mut all = self.0.write();
        all.remove(namespace);
    }

    /// The number of parents.
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

    fn parent(name: &str) -> KnownParent {
        KnownParent {
            kind: "batch/Job",
            name: name.into(),
            generate_name: None,
            created: 7,
            stamp: None,
            runs: None,
            is_child: false,
            has_ended: false,
        }
    }

    #[test]
    fn a_parent_is_found_by_its_kind_and_uid_in_its_own_namespace_only() {
        let all = Parents::default();
        let get = |namespace: &str, uid: &str| all.get(namespace, "batch/Job", uid);
        all.apply("research", "u1", parent("a"));
        all.apply("research", "u2", parent("b"));
        assert_eq!(&*get("research", "u1").unwrap().name, "a");
        assert!(get("prod", "u1").is_none());
        assert!(all.get("research", "batch/CronJob", "u1").is_none());
        assert!(all.by_uid("research", "u1").is_some() && all.by_uid("prod", "u1").is_none());
        all.keep_only("research", "batch/CronJob", &HashSet::new());
        all.keep_only("research", "batch/Job", &HashSet::from(["u2".to_owned()]));
        assert!(get("research", "u1").is_none() && get("research", "u2").is_some());
        all.delete("research", "u2");
        assert!(all.is_empty());
        all.apply("research", "u3", parent("c"));
        all.delete_namespace("research");
        assert_eq!(all.len(), 0);
    }
}

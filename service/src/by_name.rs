//! Objects in memory by namespace and name, reduced to what a program reads of them, so that most requests cost no call.

use std::collections::{HashMap, HashSet};

use parking_lot::RwLock;

type Names<T> = HashMap<Box<str>, T>;

/// Namespace and name of an object.
pub type NamespaceAndName = (Box<str>, Box<str>);

/// The objects of one kind that a watch has seen, by namespace and name.
#[derive(Debug)]
pub struct ByName<T>(RwLock<HashMap<Box<str>, Names<T>>>);

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> ByName<T> {
    /// What `read` makes of the object of this name in this namespace, if there is one.
    pub fn read<R>(&self, namespace: &str, name: &str, read: impl FnOnce(&T) -> R) -> Option<R> {
        let all = self.0.read();
        all.get(namespace)?.get(name).map(read)
    }

    /// What `read` makes of the objects for which it returns something, with their namespaces and names, in no order.
    pub fn filter_map<R>(&self, mut read: impl FnMut(&str, &str, &T) -> Option<R>) -> Vec<R> {
        let all = self.0.read();
        let objects = all.iter().flat_map(|(namespace, names)| {
            let objects = names.iter();
            objects.map(move |(name, object)| (&**namespace, &**name, object))
        });
        objects
            .filter_map(|(namespace, name, object)| read(namespace, name, object))
            .collect()
    }

    /// Adds or replaces one.
    pub fn apply(&self, namespace: &str, name: &str, object: T) {
        let mut all = self.0.write();
        let names = all.entry(namespace.into()).or_default();
        names.insert(name.into(), object);
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
    pub fn keep_only(&self, listed: &HashSet<NamespaceAndName>) {
        let mut all = self.0.write();
        for (namespace, names) in all.iter_mut() {
            names.retain(|name, _| listed.contains(&(namespace.clone(), name.clone())));
        }
        all.retain(|_, names| !names.is_empty());
    }

    /// The number of objects.
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

impl<T: Clone> ByName<T> {
    /// The object of this name in this namespace.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<T> {
        self.read(namespace, name, T::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_found_in_its_own_namespace_only_and_removed_if_a_list_lacks_it() {
        let all = ByName::default();
        all.apply("research", "mf-a", "alice@acme.com");
        all.apply("prod", "mf-b", "bob@acme.com");
        assert_eq!(all.get("research", "mf-a"), Some("alice@acme.com"));
        assert_eq!(all.get("prod", "mf-a"), None);
        let bobs = all.filter_map(|namespace, name, user| {
            user.starts_with("bob")
                .then(|| format!("{namespace}/{name}"))
        });
        assert_eq!(bobs, ["prod/mf-b"]);
        all.keep_only(&HashSet::from([("prod".into(), "mf-b".into())]));
        assert_eq!((all.get("research", "mf-a"), all.len()), (None, 1));
        all.delete("prod", "mf-b");
        assert!(all.is_empty());
    }
}

//! Which namespaces have opted in, as our own watch sees them.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

/// A namespace that opted in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptedIn {
    /// The stack that its label names.
    pub stack: String,
    /// When it came back, in seconds since 1970, if this process saw it leave: stamps older than that are void,
    /// because nobody watched who edited what in between.
    pub returned: Option<i64>,
}

#[derive(Debug, Default)]
struct Seen {
    here: HashMap<String, OptedIn>,
    left: HashSet<String>,
}

/// All opted-in namespaces, by name.
#[derive(Debug, Default)]
pub struct Namespaces(RwLock<Seen>);

impl Namespaces {
    /// The namespace, if it opted in to this stack.
    #[must_use]
    pub fn get(&self, namespace: &str, stack: &str) -> Option<OptedIn> {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = seen.here.get(namespace)?;
        (found.stack == stack).then(|| found.clone())
    }

    /// Adds one, or takes over a changed label. Returns whether it is new.
    pub fn apply(&self, namespace: &str, stack: &str, now: i64) -> bool {
        let mut seen = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let returned = seen.left.contains(namespace).then_some(now);
        match seen.here.get_mut(namespace) {
            Some(known) if known.stack == stack => false,
            Some(known) => {
                stack.clone_into(&mut known.stack);
                known.returned = Some(now);
                false
            }
            None => {
                let stack = stack.to_owned();
                let new = OptedIn { stack, returned };
                seen.here.insert(namespace.to_owned(), new);
                true
            }
        }
    }

    /// Forgets one that opted out.
    pub fn delete(&self, namespace: &str) {
        let mut seen = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if seen.here.remove(namespace).is_some() {
            seen.left.insert(namespace.to_owned());
        }
    }

    /// Names of all, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = seen.here.keys().cloned().collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_counts_for_the_stack_of_its_label_only() {
        let all = Namespaces::default();
        assert!(all.apply("research", "prod", 5));
        assert!(!all.apply("research", "prod", 6));
        assert_eq!(all.get("research", "prod").unwrap().returned, None);
        assert!(all.get("research", "dev").is_none() && all.get("x", "prod").is_none());
    }

    #[test]
    fn a_namespace_that_left_and_came_back_remembers_when() {
        let all = Namespaces::default();
        all.apply("research", "prod", 5);
        all.delete("research");
        assert!(all.get("research", "prod").is_none() && all.names().is_empty());
        assert!(all.apply("research", "prod", 9));
        assert_eq!(all.get("research", "prod").unwrap().returned, Some(9));
        all.apply("research", "dev", 11);
        assert_eq!(all.get("research", "dev").unwrap().returned, Some(11));
    }
}

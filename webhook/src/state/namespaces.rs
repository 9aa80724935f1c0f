//! Which namespaces have opted in, as our own watch sees them.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

use crate::mode::Mode;

/// A namespace that opted in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptedIn {
    /// The stack that its label names.
    pub stack: String,
    /// What we do there.
    pub mode: Mode,
    /// When it came in, in seconds since 1970, as is written on it; or when it came back, if only this process saw that.
    /// Stamps older than that are void, because nobody watched who edited what before.
    pub returned: Option<i64>,
}

/// What an opted-in namespace says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Says<'a> {
    /// The stack.
    pub stack: &'a str,
    /// The mode; one that is off is not in.
    pub mode: Mode,
    /// Since when.
    pub since: Option<i64>,
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

    /// The mode of a namespace that opted in to this stack; of any other, `enforce`.
    #[must_use]
    pub fn mode(&self, namespace: &str, stack: &str) -> Mode {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = seen.here.get(namespace).filter(|n| n.stack == stack);
        found.map_or(Mode::Enforce, |n| n.mode)
    }

    /// Adds one, or takes over what changed. Returns whether it is new.
    pub fn apply(&self, namespace: &str, says: Says<'_>, now: i64) -> bool {
        let mut seen = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let left = seen.left.contains(namespace);
        let known = seen.here.get(namespace);
        let new = known.is_none();
        let changed = known.is_some_and(|known| known.stack != says.stack);
        let noticed = if changed {
            Some(now)
        } else {
            known.map_or_else(|| left.then_some(now), |known| known.returned)
        };
        let opted_in = OptedIn {
            stack: says.stack.to_owned(),
            mode: says.mode,
            returned: says.since.or(noticed),
        };
        seen.here.insert(namespace.to_owned(), opted_in);
        new
    }

    /// How many are in this mode.
    #[must_use]
    pub fn count(&self, mode: Mode) -> usize {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner);
        seen.here.values().filter(|n| n.mode == mode).count()
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

    /// Names of those that opted in to this stack, in order.
    #[must_use]
    pub fn of_stack(&self, stack: &str) -> Vec<String> {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_it = seen.here.iter().filter(|(_, n)| n.stack == stack);
        let mut names: Vec<_> = of_it.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stack: &str) -> Says<'_> {
        Says {
            stack,
            mode: Mode::Enforce,
            since: None,
        }
    }

    #[test]
    fn a_namespace_counts_for_the_stack_of_its_label_only() {
        let all = Namespaces::default();
        assert!(all.apply("research", of("prod"), 5));
        assert!(!all.apply("research", of("prod"), 6));
        assert_eq!(all.get("research", "prod").unwrap().returned, None);
        assert!(all.get("research", "dev").is_none() && all.get("x", "prod").is_none());
        all.apply("lab", of("dev"), 7);
        assert_eq!(all.of_stack("prod"), ["research"]);
    }

    #[test]
    fn a_namespace_that_left_and_came_back_remembers_when() {
        let all = Namespaces::default();
        all.apply("research", of("prod"), 5);
        all.delete("research");
        assert!(all.get("research", "prod").is_none() && all.names().is_empty());
        assert!(all.apply("research", of("prod"), 9));
        assert_eq!(all.get("research", "prod").unwrap().returned, Some(9));
        all.apply("research", of("dev"), 11);
        assert_eq!(all.get("research", "dev").unwrap().returned, Some(11));
        all.apply("research", of("dev"), 12);
        assert_eq!(all.get("research", "dev").unwrap().returned, Some(11));
    }

    #[test]
    fn what_is_written_on_a_namespace_counts_for_a_process_that_saw_nothing() {
        let all = Namespaces::default();
        let written = Says {
            since: Some(7),
            mode: Mode::Shadow,
            ..of("prod")
        };
        all.apply("research", written, 100);
        let seen = all.get("research", "prod").unwrap();
        assert_eq!((seen.returned, seen.mode), (Some(7), Mode::Shadow));
        assert_eq!(all.count(Mode::Shadow), 1);
    }
}

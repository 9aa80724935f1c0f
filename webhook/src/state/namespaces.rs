//! Opted-in namespaces, as the watch sees them.

use parking_lot::RwLock;
use std::collections::HashMap;

use crate::decide::mode::Mode;

/// A namespace that is opted in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptedIn {
    /// The stack that its label names.
    pub stack: String,
    /// The mode of the namespace; one whose mode is off is not listed.
    pub mode: Mode,
    /// Signatures of another epoch are not valid, because Namesake did not see who wrote what in between.
    pub epoch: String,
}

/// All opted-in namespaces, by name.
#[derive(Debug, Default)]
pub struct Namespaces(RwLock<HashMap<String, OptedIn>>);

impl Namespaces {
    /// The namespace, if it is opted in to this stack.
    #[must_use]
    pub fn get(&self, namespace: &str, stack: &str) -> Option<OptedIn> {
        let all = self.0.read();
        let found = all.get(namespace)?;
        (found.stack == stack).then(|| found.clone())
    }

    /// The mode of a namespace that is opted in to this stack; of any other, `enforce`.
    #[must_use]
    pub fn mode(&self, namespace: &str, stack: &str) -> Mode {
        let all = self.0.read();
        let found = all.get(namespace).filter(|n| n.stack == stack);
        found.map_or(Mode::Enforce, |n| n.mode)
    }

    /// Adds or replaces one. Returns whether it is new.
    pub fn apply(&self, namespace: &str, opted_in: OptedIn) -> bool {
        let mut all = self.0.write();
        all.insert(namespace.to_owned(), opted_in).is_none()
    }

    /// The number of namespaces in this mode.
    #[must_use]
    pub fn count(&self, mode: Mode) -> usize {
        let all = self.0.read();
        all.values().filter(|n| n.mode == mode).count()
    }

    /// Removes one that opted out.
    pub fn delete(&self, namespace: &str) {
        let mut all = self.0.write();
        all.remove(namespace);
    }

    /// Names of all, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let all = self.0.read();
        let mut names: Vec<_> = all.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Names of those that are opted in to this stack, in order.
    #[must_use]
    pub fn of_stack(&self, stack: &str) -> Vec<String> {
        let all = self.0.read();
        let of_stack = all.iter().filter(|(_, n)| n.stack == stack);
        let mut names: Vec<_> = of_stack.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stack: &str) -> OptedIn {
        OptedIn {
            stack: stack.to_owned(),
            mode: Mode::Enforce,
            epoch: "an-epoch-of-its-own".to_owned(),
        }
    }

    #[test]
    fn a_namespace_is_opted_in_to_the_stack_of_its_label_only() {
        let all = Namespaces::default();
        assert!(all.apply("research", of("prod")));
        assert!(!all.apply("research", of("prod")));
        assert!(all.get("research", "dev").is_none() && all.get("x", "prod").is_none());
        all.apply("lab", of("dev"));
        assert_eq!(all.of_stack("prod"), ["research"]);
        all.delete("research");
        assert!(all.get("research", "prod").is_none());
        assert_eq!(all.names(), ["lab"]);
    }

    #[test]
    fn a_namespace_has_the_mode_and_the_epoch_that_were_seen_last() {
        let all = Namespaces::default();
        all.apply("research", of("prod"));
        let changed = OptedIn {
            mode: Mode::Shadow,
            epoch: "another-epoch-of-its".to_owned(),
            ..of("prod")
        };
        all.apply("research", changed.clone());
        assert_eq!(all.get("research", "prod"), Some(changed));
        assert_eq!(all.count(Mode::Shadow), 1);
    }
}

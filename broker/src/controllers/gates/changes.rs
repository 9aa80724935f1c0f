//! Tells the gates of a namespace which of its Identities have changed, and nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

type Names = mpsc::UnboundedSender<String>;

/// Who listens, by namespace. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<Mutex<HashMap<String, Names>>>);

impl Changes {
    /// Names of the Identities of this namespace that change from now on. Whoever listened before hears nothing more.
    #[must_use]
    pub fn of(&self, namespace: &str) -> mpsc::UnboundedReceiver<String> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(namespace.to_owned(), sender);
        receiver
    }

    /// This one has changed.
    pub fn tell(&self, namespace: &str, name: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = all.get(namespace).map(|one| one.send(name.to_owned()));
        if heard.is_some_and(|heard| heard.is_err()) {
            all.remove(namespace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_namespace_hears_of_its_own_only_and_nothing_is_kept_for_one_that_is_not_watched() {
        let changes = Changes::default();
        let (mut here, there) = (changes.of("research"), changes.of("prod"));
        changes.tell("research", "mf-a");
        changes.tell("elsewhere", "mf-b");
        assert_eq!(here.try_recv().unwrap(), "mf-a");
        assert!(here.try_recv().is_err());
        drop(there);
        changes.tell("prod", "mf-c");
        let all = changes.0.lock().unwrap();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["research"]);
    }
}

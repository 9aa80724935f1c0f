//! Notifies the gates of a namespace which of its Identities have changed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

type Names = mpsc::UnboundedSender<String>;

/// The subscriber of each namespace. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct IdentityChanges(Arc<Mutex<HashMap<String, Names>>>);

impl IdentityChanges {
    /// Names of the Identities of this namespace that change from now on. An earlier subscriber gets no more.
    #[must_use]
    pub fn subscribe(&self, namespace: &str) -> mpsc::UnboundedReceiver<String> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0.lock().insert(namespace.to_owned(), sender);
        receiver
    }

    /// This Identity has changed.
    pub fn notify(&self, namespace: &str, name: &str) {
        let mut subscribers = self.0.lock();
        let sent = subscribers
            .get(namespace)
            .map(|one| one.send(name.to_owned()));
        if sent.is_some_and(|sent| sent.is_err()) {
            subscribers.remove(namespace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_namespace_gets_its_own_changes_until_its_subscriber_is_dropped() {
        let changes = IdentityChanges::default();
        let (mut here, there) = (changes.subscribe("research"), changes.subscribe("prod"));
        changes.notify("research", "mf-a");
        changes.notify("elsewhere", "mf-b");
        assert_eq!(here.try_recv().unwrap(), "mf-a");
        assert!(here.try_recv().is_err());
        drop(there);
        changes.notify("prod", "mf-c");
        let subscribers = changes.0.lock();
        assert_eq!(subscribers.keys().collect::<Vec<_>>(), ["research"]);
    }
}

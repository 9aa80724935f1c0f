//! The Identities of all namespaces, as the watch shows them. Every replica has them, so that a new leader knows them already.

mod changed;
mod packed;

use std::sync::Arc;

use futures::StreamExt;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use namesake_api::{Identity, WatchBackoff};
use tokio::sync::watch;
use tracing::warn;

pub use changed::{ChangeNotifier, IdentityChange, requests};
pub use packed::{ConditionSummary, IdentitySummary, PackedIdentity};

/// Identities that are unpacked in a row before the task yields.
const BATCH: usize = 100;

/// Identities in one page of a list, of 4 KB each: fewer, larger pages take the API server less time. (A streaming list takes it
/// twice as long as pages do, because each object is a message of its own.)
const PAGE: u32 = 2_000;

/// All Identities that the watch has seen. Cheap to clone.
#[derive(Clone)]
pub struct Identities {
    store: Store<PackedIdentity>,
    /// Whether the watch has listed everything. The store itself wakes only one of the tasks that wait for that.
    synced: watch::Receiver<bool>,
}

impl Identities {
    /// No Identities, and a watch that has not begun.
    #[must_use]
    pub fn none() -> Self {
        let (store, _) = reflector::store();
        let (_, synced) = watch::channel(false);
        Self { store, synced }
    }

    /// No Identities, and a watch that has listed everything.
    #[cfg(test)]
    pub(crate) fn listed_none() -> Self {
        let (_, synced) = watch::channel(true);
        Self {
            synced,
            ..Self::none()
        }
    }

    /// The Identity of this name.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Identity> {
        let packed = self.store.get(&ObjectRef::new(name).within(namespace));
        packed?.unpack()
    }

    /// Whether the watch has listed everything and there is no Identity of this name. The watch may lag by a moment.
    #[must_use]
    pub fn is_known_absent(&self, namespace: &str, name: &str) -> bool {
        let get = || self.store.get(&ObjectRef::new(name).within(namespace));
        *self.synced.borrow() && get().is_none()
    }

    /// How many Identities there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// References to the Identities of one namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Vec<ObjectRef<PackedIdentity>> {
        let all = self.store.state().into_iter();
        let here = all.filter(|packed| packed.is_in(namespace));
        here.map(|packed| packed.reference()).collect()
    }

    /// Calls `visit` for each Identity. Only one is unpacked at a time, and the task yields now and then.
    pub async fn for_each(&self, mut visit: impl FnMut(Identity)) {
        for (number, packed) in self.store.state().into_iter().enumerate() {
            packed.unpack().into_iter().for_each(&mut visit);
            if number % BATCH == BATCH - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Calls `visit` with what metrics count of each Identity.
    pub fn for_each_summary(&self, mut visit: impl FnMut(&IdentitySummary<'_>)) {
        for packed in self.store.state() {
            packed.summary().iter().for_each(&mut visit);
        }
    }

    /// Waits until the watch has listed everything; false if it ends before that.
    pub async fn wait_until_synced(&self) -> bool {
        let mut synced = self.synced.clone();
        synced.wait_for(|synced| *synced).await.is_ok()
    }

    /// The store from which a controller reads them.
    #[must_use]
    pub fn store(&self) -> Store<PackedIdentity> {
        self.store.clone()
    }

    fn all(&self) -> Vec<Arc<PackedIdentity>> {
        self.store.state()
    }
}

/// The Identities, a notifier of their changes, and the task that keeps both current. The task ends only when it is dropped.
pub fn watch(client: Client) -> (Identities, ChangeNotifier, impl Future<Output = ()> + Send) {
    let (store, writer) = reflector::store();
    let changes = ChangeNotifier::default();
    let notifier = changes.clone();
    let (all, synced) = watch::channel(false);
    let task = async move {
        let api = Api::<PackedIdentity>::all(client);
        let config = watcher::Config::default().page_size(PAGE);
        let events = watcher(api, config).backoff(WatchBackoff::default());
        let mut events = std::pin::pin!(reflector::reflector(writer, events));
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Apply(packed) | watcher::Event::Delete(packed)) => {
                    notifier.notify(IdentityChange::One(packed.reference()));
                }
                Ok(watcher::Event::InitDone) => {
                    all.send_replace(true);
                    notifier.notify(IdentityChange::All);
                }
                Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
                Err(error) => {
                    warn!(%error, "the watch of Identities failed and is restarted");
                }
            }
        }
    };
    (Identities { store, synced }, changes, task)
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    fn packed(name: &str, namespace: &str) -> PackedIdentity {
        let mut identity = fixtures::identity();
        identity.metadata.name = Some(name.to_owned());
        identity.metadata.namespace = Some(namespace.to_owned());
        serde_json::from_str(&json!(identity).to_string()).unwrap()
    }

    #[tokio::test]
    async fn an_identity_is_known_absent_only_after_the_list_is_complete_without_it() {
        let (store, mut writer) = reflector::store();
        let (all, synced) = watch::channel(false);
        let identities = Identities { store, synced };
        assert!(
            !identities.is_known_absent("research", "mf-b"),
            "nothing is known yet"
        );
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitApply(packed("mf-a", "research")));
        assert!(
            !identities.is_known_absent("research", "mf-b"),
            "not all are known"
        );
        writer.apply_watcher_event(&Event::InitDone);
        all.send_replace(true);
        assert!(identities.wait_until_synced().await);
        assert!(
            identities.is_known_absent("research", "mf-b")
                && identities.is_known_absent("prod", "mf-a")
        );
        assert!(!identities.is_known_absent("research", "mf-a"));
        writer.apply_watcher_event(&Event::Delete(packed("mf-a", "research")));
        assert!(identities.is_known_absent("research", "mf-a"));
    }

    #[tokio::test]
    async fn each_identity_is_visited_once_and_found_in_its_namespace() {
        let (store, mut writer) = reflector::store();
        let (_all, synced) = watch::channel(true);
        let identities = Identities { store, synced };
        for number in 0..2 * BATCH {
            let namespace = if number % 2 == 0 { "research" } else { "prod" };
            let one = packed(&format!("mf-{number}"), namespace);
            writer.apply_watcher_event(&Event::Apply(one));
        }
        let mut names = std::collections::HashSet::new();
        identities
            .for_each(|one| names.extend(one.metadata.name))
            .await;
        assert_eq!((names.len(), identities.len()), (200, 200));
        assert_eq!(identities.in_namespace("prod").len(), 100);
        let found = identities.get("prod", "mf-1").unwrap();
        assert_eq!(found.spec, fixtures::identity().spec);
        assert!(identities.get("research", "mf-1").is_none());
        let mut summaries = 0;
        identities.for_each_summary(|_| summaries += 1);
        assert_eq!(summaries, 200);
    }
}

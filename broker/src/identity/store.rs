//! The Identities of all namespaces, as the watch shows them: on every replica, so that whoever comes to lead knows them already.

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

pub use changed::{Touched, Touches, requests};
pub use packed::{Glance, Held, Kept};

/// Identities that are unpacked in a row before others have their turn.
const IN_A_ROW: usize = 100;

/// Identities in one page of a list, of 4 KB each: the API server makes fewer, larger pages in less time. (A list that comes as
/// a watch takes it twice as long as pages do: each object is a message of its own.)
const PAGE: u32 = 2_000;

/// All Identities that the watch has shown. Cheap to clone.
#[derive(Clone)]
pub struct Identities {
    store: Store<Kept>,
    /// Whether the watch has shown everything. The store itself wakes only one of those who wait for that.
    listed: watch::Receiver<bool>,
}

impl Identities {
    /// None, and a watch that has not begun.
    #[must_use]
    pub fn none() -> Self {
        let (store, _) = reflector::store();
        let (_, listed) = watch::channel(false);
        Self { store, listed }
    }

    /// The Identity of this name.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Identity> {
        let kept = self.store.get(&ObjectRef::new(name).within(namespace));
        kept?.unpack()
    }

    /// Whether the watch has shown everything, and none of this name was in it. It may be behind by a moment.
    #[must_use]
    pub fn lack(&self, namespace: &str, name: &str) -> bool {
        let there = || self.store.get(&ObjectRef::new(name).within(namespace));
        *self.listed.borrow() && there().is_none()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// References to those of one namespace.
    #[must_use]
    pub fn of_namespace(&self, namespace: &str) -> Vec<ObjectRef<Kept>> {
        let all = self.store.state().into_iter();
        let here = all.filter(|kept| kept.is_in(namespace));
        here.map(|kept| kept.reference()).collect()
    }

    /// Shows each of them to `see`. Only one is unpacked at a time, and others have their turn in between.
    pub async fn each(&self, mut see: impl FnMut(Identity)) {
        for (number, kept) in self.store.state().into_iter().enumerate() {
            kept.unpack().into_iter().for_each(&mut see);
            if number % IN_A_ROW == IN_A_ROW - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Shows what is counted of each of them to `see`.
    pub fn glance(&self, mut see: impl FnMut(&Glance<'_>)) {
        for kept in self.store.state() {
            kept.glance().iter().for_each(&mut see);
        }
    }

    /// Waits until the watch has shown everything; false when it has ended before.
    pub async fn are_listed(&self) -> bool {
        let mut listed = self.listed.clone();
        listed.wait_for(|listed| *listed).await.is_ok()
    }

    /// As a controller reads them.
    #[must_use]
    pub fn store(&self) -> Store<Kept> {
        self.store.clone()
    }

    fn all(&self) -> Vec<Arc<Kept>> {
        self.store.state()
    }
}

/// The Identities, who says which have changed, and the task that keeps them. The task ends only when it is dropped.
pub fn watch(client: Client) -> (Identities, Touches, impl Future<Output = ()> + Send) {
    let (store, writer) = reflector::store();
    let touches = Touches::default();
    let tell = touches.clone();
    let (all, listed) = watch::channel(false);
    let task = async move {
        let api = Api::<Kept>::all(client);
        let config = watcher::Config::default().page_size(PAGE);
        let events = watcher(api, config).backoff(WatchBackoff::default());
        let mut events = std::pin::pin!(reflector::reflector(writer, events));
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Apply(kept) | watcher::Event::Delete(kept)) => {
                    tell.tell(Touched::One(kept.reference()));
                }
                Ok(watcher::Event::InitDone) => {
                    all.send_replace(true);
                    tell.tell(Touched::All);
                }
                Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
                Err(error) => {
                    warn!(%error, "the watch of Identities broke and is started again");
                }
            }
        }
    };
    (Identities { store, listed }, touches, task)
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    fn kept(name: &str, namespace: &str) -> Kept {
        let mut identity = fixtures::identity();
        identity.metadata.name = Some(name.to_owned());
        identity.metadata.namespace = Some(namespace.to_owned());
        serde_json::from_str(&json!(identity).to_string()).unwrap()
    }

    #[tokio::test]
    async fn one_is_lacking_only_when_all_were_shown_and_it_was_not() {
        let (store, mut writer) = reflector::store();
        let (all, listed) = watch::channel(false);
        let identities = Identities { store, listed };
        assert!(!identities.lack("research", "mf-b"), "nothing is known yet");
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitApply(kept("mf-a", "research")));
        assert!(!identities.lack("research", "mf-b"), "not all are known");
        writer.apply_watcher_event(&Event::InitDone);
        all.send_replace(true);
        assert!(identities.are_listed().await);
        assert!(identities.lack("research", "mf-b") && identities.lack("prod", "mf-a"));
        assert!(!identities.lack("research", "mf-a"));
        writer.apply_watcher_event(&Event::Delete(kept("mf-a", "research")));
        assert!(identities.lack("research", "mf-a"));
    }

    #[tokio::test]
    async fn each_is_shown_once_and_found_in_its_namespace() {
        let (store, mut writer) = reflector::store();
        let (_all, listed) = watch::channel(true);
        let identities = Identities { store, listed };
        for number in 0..2 * IN_A_ROW {
            let namespace = if number % 2 == 0 { "research" } else { "prod" };
            let one = kept(&format!("mf-{number}"), namespace);
            writer.apply_watcher_event(&Event::Apply(one));
        }
        let mut names = std::collections::HashSet::new();
        identities.each(|one| names.extend(one.metadata.name)).await;
        assert_eq!((names.len(), identities.len()), (200, 200));
        assert_eq!(identities.of_namespace("prod").len(), 100);
        let found = identities.get("prod", "mf-1").unwrap();
        assert_eq!(found.spec, fixtures::identity().spec);
        assert!(identities.get("research", "mf-1").is_none());
        let mut glanced = 0;
        identities.glance(|_| glanced += 1);
        assert_eq!(glanced, 200);
    }
}

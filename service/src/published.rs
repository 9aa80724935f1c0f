//! An annotation by which a replica says something about itself, on a ConfigMap that an admin can read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Error, ResourceExt as _};
use namesake_api::names;
use parking_lot::Mutex;
use serde_json::json;

use crate::managed::managed_config_map;

/// Longest wait for the API server while shutting down.
const WITHDRAWAL: Duration = Duration::from_secs(1);
/// How long a value that was written is taken to be there.
const WRITE_AGAIN: Duration = Duration::from_mins(10);
/// Between two looks at a value.
const INTERVAL: Duration = Duration::from_secs(2);
/// The status code for an object that does not exist.
const NOT_FOUND: u16 = 404;

/// The ConfigMap for what the replicas of a program say, and the program's field manager.
#[derive(Clone, Copy, Debug)]
pub struct StatusConfigMap {
    map: &'static str,
    manager: &'static str,
}

impl StatusConfigMap {
    /// Of the webhook.
    pub const WEBHOOK: Self = Self {
        map: names::UNPROVEN_CONFIG_MAP,
        manager: names::FIELD_MANAGER_WEBHOOK,
    };
    /// Of the broker.
    pub const BROKER: Self = Self {
        map: names::QUOTA_CONFIG_MAP,
        manager: names::FIELD_MANAGER_BROKER,
    };
}

/// An annotation of this replica, as it has published it.
pub struct PublishedAnnotation {
    maps: Api<ConfigMap>,
    namespace: String,
    config_map: StatusConfigMap,
    key: String,
    last: Mutex<LastWrite<String>>,
    is_failing: AtomicBool,
}

/// What was written last, and when. It counts for ten minutes: somebody may delete the object that it was written to.
#[derive(Debug)]
pub struct LastWrite<T>(Option<(T, Instant)>);

impl<T> Default for LastWrite<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> LastWrite<T> {
    /// Whether this value was written in the last ten minutes.
    pub fn has<V: ?Sized>(&self, value: &V) -> bool
    where
        T: PartialEq<V>,
    {
        let last = self.0.as_ref();
        last.is_some_and(|(last, when)| last == value && when.elapsed() < WRITE_AGAIN)
    }

    /// The value, however old.
    pub fn value(&self) -> Option<&T> {
        self.0.as_ref().map(|(value, _)| value)
    }

    /// Records a value that has just been written.
    pub fn set(&mut self, value: T) {
        self.0 = Some((value, Instant::now()));
    }
}

impl PublishedAnnotation {
    /// Nothing is published yet.
    #[must_use]
    pub fn new(client: Client, namespace: &str, config_map: StatusConfigMap, key: String) -> Self {
        Self {
            maps: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            config_map,
            key,
            last: Mutex::default(),
            is_failing: AtomicBool::new(false),
        }
    }

    /// Publishes this value, unless it was published in the last ten minutes. What fails is tried again the next time, and logged
    /// once.
    pub async fn publish(&self, value: &str) {
        if self.last.lock().has(value) {
            return;
        }
        match self.write(Some(value)).await {
            Ok(()) => {
                self.last.lock().set(value.to_owned());
                self.is_failing.store(false, Ordering::Relaxed);
            }
            Err(error) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, key = self.key, "failed to publish an annotation on ConfigMap {}", self.config_map.map);
                }
            }
        }
    }

    /// Publishes each change of a value, if there is one. Never returns: drop the future to stop.
    pub async fn follow(&self, value: impl Fn() -> Option<String>) {
        loop {
            if let Some(value) = value() {
                self.publish(&value).await;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Removes what this replica has published, so that the annotations of replaced pods do not stay.
    pub async fn withdraw(&self) {
        if self.last.lock().value().is_some() {
            // A replica that is killed leaves its annotation, which nobody reads without its pod.
            let _ = tokio::time::timeout(WITHDRAWAL, self.write(None)).await;
        }
    }

    async fn write(&self, value: Option<&str>) -> kube::Result<()> {
        let patch = json!({"metadata": {"annotations": {&self.key: value}}});
        let manager = Some(self.config_map.manager.to_owned());
        let params = PatchParams {
            field_manager: manager.clone(),
            ..PatchParams::default()
        };
        let patched = self
            .maps
            .patch_metadata(self.config_map.map, &params, &Patch::Merge(patch))
            .await;
        match (patched, value) {
            (Err(Error::Api(status)), Some(value)) if status.code == NOT_FOUND => {
                let params = PostParams {
                    field_manager: manager,
                    ..PostParams::default()
                };
                self.maps.create(&params, &self.map(value)).await.map(drop)
            }
            (patched, _) => patched.map(drop),
        }
    }

    // Without data: the report that belongs into it is not written yet.
    fn map(&self, value: &str) -> ConfigMap {
        let mut map = managed_config_map(&self.namespace, self.config_map.map, Default::default());
        map.data = None;
        map.annotations_mut()
            .insert(self.key.clone(), value.to_owned());
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_published_again_when_it_changes_and_after_ten_minutes() {
        let published = |minutes: u64| {
            let when = Instant::now().checked_sub(Duration::from_mins(minutes));
            LastWrite(when.map(|when| ("a".to_owned(), when)))
        };
        assert!(published(9).has("a"));
        assert!(!published(9).has("b"));
        assert!(!published(11).has("a"));
        assert!(!LastWrite::<String>::default().has("a"));
    }
}

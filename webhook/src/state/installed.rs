//! The kinds of parents that the cluster has, and the versions in which they are read.

use std::collections::BTreeMap;

use kube::core::{ApiResource, GroupVersionKind};
use tokio::sync::watch;

use crate::decide::kinds::Kind;

type Resources = BTreeMap<&'static str, ApiResource>;

/// The kinds of parents that the API server served when it was asked last; nothing before that.
#[derive(Debug)]
pub struct Installed(watch::Sender<Option<Resources>>);

impl Default for Installed {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Installed {
    /// The API resource of a kind: in the version that the API server recommends, or in the one that this version knows.
    #[must_use]
    pub fn resource(&self, kind: &Kind) -> ApiResource {
        let installed = self.0.borrow();
        let found = installed.iter().find_map(|all| all.get(kind.name));
        found.cloned().unwrap_or_else(|| known_version(kind))
    }

    /// Sets what the API server serves now. Returns the names of kinds that it did not serve before.
    pub fn set(&self, resources: Resources) -> Vec<&'static str> {
        let mut new = Vec::new();
        self.0.send_if_modified(|installed| {
            let is_new = |name: &&&'static str| {
                let before = installed.as_ref();
                before.is_none_or(|before| !before.contains_key(**name))
            };
            new = resources.keys().filter(is_new).copied().collect();
            let changed = installed.as_ref() != Some(&resources);
            *installed = Some(resources);
            changed
        });
        new
    }

    /// Waits until it is known whether a kind is served, and how.
    pub async fn wait_for(&self, kind: &Kind) -> Option<ApiResource> {
        let mut installed = self.0.subscribe();
        let installed = installed.wait_for(Option::is_some).await.ok()?;
        installed.as_ref()?.get(kind.name).cloned()
    }

    /// Waits until a kind is served in another way than `now`.
    pub async fn wait_for_change(&self, kind: &Kind, now: Option<&ApiResource>) {
        let mut installed = self.0.subscribe();
        let is_other = |installed: &Option<Resources>| {
            let installed = installed.as_ref();
            installed.is_some_and(|all| all.get(kind.name) != now)
        };
        // The sender lives as long as this object.
        let _ = installed.wait_for(is_other).await;
    }
}

fn known_version(kind: &Kind) -> ApiResource {
    let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
    ApiResource::from_gvk_with_plural(&gvk, kind.plural)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::kinds;

    #[tokio::test]
    async fn a_kind_that_is_installed_later_is_noticed() {
        let (job_set, _) = kinds::parents().find(|(k, _)| k.kind == "JobSet").unwrap();
        let installed = Installed::default();
        assert_eq!(installed.resource(job_set).version, "v1alpha2");
        assert!(installed.set(BTreeMap::new()).is_empty());
        assert_eq!(installed.wait_for(job_set).await, None);
        let mut newer = known_version(job_set);
        newer.version = "v1beta1".to_owned();
        let served = BTreeMap::from([(job_set.name, newer.clone())]);
        let (names, ()) = tokio::join!(
            async { installed.set(served) },
            installed.wait_for_change(job_set, None)
        );
        assert_eq!(names, [job_set.name]);
        assert_eq!(installed.wait_for(job_set).await, Some(newer.clone()));
        assert_eq!(installed.resource(job_set), newer);
    }
}

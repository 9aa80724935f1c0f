//! Which kinds of parents the cluster has, and at which version they are read.

use std::collections::BTreeMap;

use kube::core::{ApiResource, GroupVersionKind};
use tokio::sync::watch;

use crate::decide::kinds::Kind;

#[derive(Clone, Debug, Default)]
struct Seen {
    looked: bool,
    resources: BTreeMap<&'static str, ApiResource>,
}

/// The kinds of parents that the API server serves, as it was asked last.
#[derive(Debug)]
pub struct Installed(watch::Sender<Seen>);

impl Default for Installed {
    fn default() -> Self {
        Self(watch::Sender::new(Seen::default()))
    }
}

impl Installed {
    /// How a kind is read: as the API server recommends, or as we know it.
    #[must_use]
    pub fn resource(&self, kind: &Kind) -> ApiResource {
        let seen = self.0.borrow();
        let found = seen.resources.get(kind.name).cloned();
        found.unwrap_or_else(|| as_known(kind))
    }

    /// Takes over what the API server serves now. Returns names of kinds that it did not serve before.
    pub fn set(&self, resources: BTreeMap<&'static str, ApiResource>) -> Vec<&'static str> {
        let mut new = Vec::new();
        self.0.send_if_modified(|seen| {
            let known = |name: &&&'static str| !seen.resources.contains_key(**name);
            new = resources.keys().filter(known).copied().collect();
            let changed = !seen.looked || seen.resources != resources;
            *seen = Seen {
                looked: true,
                resources,
            };
            changed
        });
        new
    }

    /// Waits until it is known whether a kind is served, and how.
    pub async fn looked(&self, kind: &Kind) -> Option<ApiResource> {
        let mut seen = self.0.subscribe();
        let seen = seen.wait_for(|seen| seen.looked).await.ok()?;
        seen.resources.get(kind.name).cloned()
    }

    /// Waits until a kind is served otherwise than `now` says.
    pub async fn changed(&self, kind: &Kind, now: Option<&ApiResource>) {
        let mut seen = self.0.subscribe();
        let other = |seen: &Seen| seen.looked && seen.resources.get(kind.name) != now;
        // The sender lives as long as we do.
        let _ = seen.wait_for(other).await;
    }
}

/// A kind as we know it.
#[must_use]
fn as_known(kind: &Kind) -> ApiResource {
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
        assert_eq!(installed.looked(job_set).await, None);
        let mut newer = as_known(job_set);
        newer.version = "v1beta1".to_owned();
        let served = BTreeMap::from([(job_set.name, newer.clone())]);
        let (names, ()) = tokio::join!(
            async { installed.set(served) },
            installed.changed(job_set, None)
        );
        assert_eq!(names, [job_set.name]);
        assert_eq!(installed.looked(job_set).await, Some(newer.clone()));
        assert_eq!(installed.resource(job_set), newer);
    }
}

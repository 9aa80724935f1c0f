//! Publishes which rules this replica uses, where an admin can read it: an annotation on the ConfigMap of unproven parents.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use namesake_api::names;
use parking_lot::Mutex;
use serde_json::json;

/// Longest wait for the API server while shutting down.
const WITHDRAWAL: Duration = Duration::from_secs(1);

/// The revision of the rules as this replica has published it.
pub(super) struct PublishedRevision {
    maps: Api<ConfigMap>,
    key: String,
    last: Mutex<Option<String>>,
}

impl PublishedRevision {
    /// Nothing is published yet.
    pub(super) fn new(client: Client, namespace: &str, replica: &str) -> Self {
        Self {
            maps: Api::namespaced(client, namespace),
            key: names::replica_annotation(replica),
            last: Mutex::default(),
        }
    }

    /// Publishes the revision, unless it is published. What fails is tried again the next time; so is a ConfigMap that does not
    /// exist yet.
    pub(super) async fn publish(&self, revision: &str) {
        if self.last.lock().as_deref() == Some(revision) {
            return;
        }
        match self.write(Some(revision)).await {
            Ok(()) => *self.last.lock() = Some(revision.to_owned()),
            Err(error) => tracing::warn!(%error, "failed to publish the revision of the rules"),
        }
    }

    /// Removes what this replica has published, so that the annotations of replaced pods do not stay.
    pub(super) async fn withdraw(&self) {
        if self.last.lock().is_some() {
            // A replica that is killed leaves its annotation, which nobody reads without its pod.
            let _ = tokio::time::timeout(WITHDRAWAL, self.write(None)).await;
        }
    }

    async fn write(&self, revision: Option<&str>) -> kube::Result<()> {
        let patch = json!({"metadata": {"annotations": {&self.key: revision}}});
        let params = PatchParams {
            field_manager: Some(names::FIELD_MANAGER_WEBHOOK.to_owned()),
            ..PatchParams::default()
        };
        let name = names::UNPROVEN_CONFIG_MAP;
        let patched = self
            .maps
            .patch_metadata(name, &params, &Patch::Merge(patch))
            .await;
        patched.map(drop)
    }
}

//! Says what this replica is: its version, what it waits for before it is ready, and when its certificate expires.

use jiff::Timestamp;
use kube::Client;
use namesake_api::{ReplicaStatus, names};
use parking_lot::Mutex;

use crate::published::{PublishedAnnotation, StatusConfigMap};

/// The version of all programs.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Publishes the status of this replica.
pub struct PublishedStatus {
    annotation: PublishedAnnotation,
    certificate_expires: Mutex<Option<Timestamp>>,
}

impl PublishedStatus {
    /// Nothing is published yet. `replica`: the name of its pod.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: &str,
        config_map: StatusConfigMap,
        replica: &str,
    ) -> Self {
        let key = names::replica_status_annotation(replica);
        Self {
            annotation: PublishedAnnotation::new(client, namespace, config_map, key),
            certificate_expires: Mutex::default(),
        }
    }

    /// The certificate that it serves expires then.
    pub fn set_certificate_expiry(&self, at: Timestamp) {
        *self.certificate_expires.lock() = Some(at);
    }

    /// Publishes each change of the status. `missing`: what the replica waits for before it is ready. Never returns: drop the future
    /// to stop.
    pub async fn run(&self, missing: impl Fn() -> Vec<String>) {
        // It has strings and lists only, so serialization cannot fail.
        let text = || serde_json::to_string(&self.status(missing())).ok();
        self.annotation.follow(text).await;
    }

    /// Removes the status of this replica.
    pub async fn withdraw(&self) {
        self.annotation.withdraw().await;
    }

    fn status(&self, missing: Vec<String>) -> ReplicaStatus {
        let expires = *self.certificate_expires.lock();
        ReplicaStatus {
            version: VERSION.to_owned(),
            missing,
            certificate_expires: expires.map(|at| format!("{at:.0}")),
        }
    }
}

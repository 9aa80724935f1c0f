//! Buckets that roles are given on: each must be there, and have uniform bucket-level access, or what is in it follows lists
//! of its own beside the policy.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use namesake_gcp::{Error, Gcp, Resource};
use tokio::time::Instant;
use tracing::debug;

use crate::failure::Failure;

/// How long a good answer counts.
const TRUSTED: Duration = Duration::from_hours(1);

/// Buckets that were fit when they were last looked at.
#[derive(Default)]
pub(crate) struct Buckets(Mutex<HashMap<String, Instant>>);

impl Buckets {
    /// Whether roles may be given on this; always, on what is no bucket. Who may not ask goes on: Google refuses a managed
    /// folder and a condition in a bucket without uniform access itself.
    pub(crate) async fn check(&self, gcp: &Gcp, resource: &Resource) -> Result<(), Failure> {
        let (Resource::Bucket { name } | Resource::ManagedFolder { bucket: name, .. }) = resource
        else {
            return Ok(());
        };
        if self.is_known(name) {
            return Ok(());
        }
        match gcp.bucket_has_uniform_access(name).await {
            Ok(true) => {
                self.lock().insert(name.clone(), Instant::now());
                Ok(())
            }
            Ok(false) => Err(Failure::lasting(
                "NotUniform",
                format!(
                    "bucket {name} has no uniform bucket-level access, so that its objects would follow lists of their own: gcloud storage buckets update gs://{name} --uniform-bucket-level-access"
                ),
            )),
            Err(Error::NotFound(_)) => Err(Failure::lasting(
                "BucketMissing",
                format!(
                    "bucket {name} does not exist: create it, or correct the grants in the rules"
                ),
            )),
            Err(error @ Error::PermissionDenied(_)) => {
                debug!(%error, bucket = %name, "whether a bucket has uniform access is not ours to see");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn is_known(&self, name: &str) -> bool {
        let seen = self.lock().get(name).copied();
        seen.is_some_and(|seen| seen.elapsed() < TRUSTED)
    }

    // Never held across an await.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

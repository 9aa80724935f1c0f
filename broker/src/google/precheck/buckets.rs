//! Buckets of grants: each must exist and have uniform bucket-level access, or its objects have access lists of their own.

use namesake_core::Reason;
use namesake_gcp::{Error, Gcp, Resource};
use tracing::debug;

use crate::google::precheck::ttl_set::TtlSet;
use crate::identity::step_failure::StepFailure;

/// Buckets that were fit when they were last read.
#[derive(Default)]
pub(crate) struct BucketChecks(TtlSet<String>);

impl BucketChecks {
    /// Checks the bucket of a resource, if it is in one. If the broker may not read the bucket, the check passes: Google itself
    /// refuses a managed folder or a condition in a bucket without uniform access.
    pub(crate) async fn check(&self, gcp: &Gcp, resource: &Resource) -> Result<(), StepFailure> {
        let (Resource::Bucket { name } | Resource::ManagedFolder { bucket: name, .. }) = resource
        else {
            return Ok(());
        };
        if self.0.contains(name) {
            return Ok(());
        }
        match gcp.bucket_has_uniform_access(name).await {
            Ok(true) => {
                self.0.insert(name.clone());
                Ok(())
            }
            Ok(false) => Err(StepFailure::lasting(
                Reason::NotUniform,
                format!(
                    "bucket {name} does not have uniform bucket-level access, so its objects would have access lists of their own: gcloud storage buckets update gs://{name} --uniform-bucket-level-access"
                ),
            )),
            Err(Error::NotFound(_)) => Err(StepFailure::lasting(
                Reason::BucketMissing,
                format!(
                    "bucket {name} does not exist: create it, or correct the grants in the rules"
                ),
            )),
            Err(error @ Error::PermissionDenied(_)) => {
                debug!(%error, bucket = %name, "the broker may not read whether a bucket has uniform access");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

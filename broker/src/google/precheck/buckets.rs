//! Buckets that roles are given on: each must be there, and have uniform bucket-level access, or what is in it follows lists
//! of its own beside the policy.

use namesake_gcp::{Error, Gcp, Resource};
use tracing::debug;

use crate::google::precheck::ttl_set::Known;
use crate::identity::failure::Failure;
use crate::identity::reason::ConditionReason;

/// Buckets that were fit when they were last looked at.
#[derive(Default)]
pub(crate) struct Buckets(Known<String>);

impl Buckets {
    /// Whether roles may be given on this; always, on what is no bucket. Who may not ask goes on: Google refuses a managed
    /// folder and a condition in a bucket without uniform access itself.
    pub(crate) async fn check(&self, gcp: &Gcp, resource: &Resource) -> Result<(), Failure> {
        let (Resource::Bucket { name } | Resource::ManagedFolder { bucket: name, .. }) = resource
        else {
            return Ok(());
        };
        if self.0.has(name) {
            return Ok(());
        }
        match gcp.bucket_has_uniform_access(name).await {
            Ok(true) => {
                self.0.keep(name.clone());
                Ok(())
            }
            Ok(false) => Err(Failure::lasting(
                ConditionReason::NotUniform,
                format!(
                    "bucket {name} has no uniform bucket-level access, so that its objects would follow lists of their own: gcloud storage buckets update gs://{name} --uniform-bucket-level-access"
                ),
            )),
            Err(Error::NotFound(_)) => Err(Failure::lasting(
                ConditionReason::BucketMissing,
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
}

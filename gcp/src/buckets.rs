//! Buckets and their managed folders, as far as policies need them.

use serde_json::json;

use crate::transport::http::{Bearer, url};
use crate::transport::names::check_name;
use crate::transport::retry::Retry;
use crate::{Error, Gcp, Rate};

impl Gcp {
    /// Whether a bucket has uniform bucket-level access. Without it, policies on managed folders do not work, nor do grants
    /// to principals without a GSA.
    ///
    /// # Errors
    /// `NotFound` if there is no such bucket.
    pub async fn bucket_has_uniform_access(&self, bucket: &str) -> Result<bool, Error> {
        check_name("bucket", bucket)?;
        let what = format!("read bucket {bucket}");
        let mut url = url(&self.endpoints.storage, &["storage", "v1", "b", bucket])?;
        url.query_pairs_mut()
            .append_pair("fields", "iamConfiguration");
        let answer = self
            .retry()
            .idempotent(&what, Rate::StorageRead.of(bucket), || {
                self.send(&what, self.http.get(url.clone()), Bearer::Ours)
            })
            .await?;
        Ok(answer["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] == true)
    }

    /// Creates a managed folder. Succeeds if it exists.
    pub(crate) async fn create_managed_folder(
        &self,
        retry: &mut Retry,
        bucket: &str,
        folder: &str,
    ) -> Result<(), Error> {
        let what = format!("create managed folder {folder} in bucket {bucket}");
        let path = ["storage", "v1", "b", bucket, "managedFolders"];
        let url = url(&self.endpoints.storage, &path)?;
        let created = retry
            .idempotent(&what, Rate::StorageWrite.of(bucket), || {
                let request = self.http.post(url.clone()).json(&json!({"name": folder}));
                self.send(&what, request, Bearer::Ours)
            })
            .await;
        match created {
            Ok(_) | Err(Error::AlreadyExists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

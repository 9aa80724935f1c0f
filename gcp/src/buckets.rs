//! Buckets, as far as policies need them.

use serde_json::json;

use crate::transport::http::{Bearer, url};
use crate::transport::names::check_name;
use crate::transport::retry::{Counted, Retry};
use crate::{Error, Gcp, Rate};

impl Gcp {
    /// Whether a bucket has uniform access. Without it, policies on folders and principals without a GSA do not work.
    ///
    /// # Errors
    /// `NotFound` when there is no such bucket.
    pub async fn bucket_has_uniform_access(&self, bucket: &str) -> Result<bool, Error> {
        check_name("bucket", bucket)?;
        let what = format!("read bucket {bucket}");
        let mut url = url(&self.endpoints.storage, &["storage", "v1", "b", bucket])?;
        url.query_pairs_mut()
            .append_pair("fields", "iamConfiguration");
        let answer = self
            .retry()
            .idempotent(&what, counted(Rate::StorageRead, bucket), || {
                self.send(&what, self.http.get(url.clone()), Bearer::Ours)
            })
            .await?;
        Ok(answer["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] == true)
    }

    pub(crate) async fn make_folder(
        &self,
        retry: &mut Retry,
        bucket: &str,
        folder: &str,
    ) -> Result<(), Error> {
        let what = format!("create managed folder {folder} in bucket {bucket}");
        let url = url(
            &self.endpoints.storage,
            &["storage", "v1", "b", bucket, "managedFolders"],
        )?;
        let made = retry
            .idempotent(&what, counted(Rate::StorageWrite, bucket), || {
                let request = self.http.post(url.clone()).json(&json!({"name": folder}));
                self.send(&what, request, Bearer::Ours)
            })
            .await;
        match made {
            Ok(_) | Err(Error::AlreadyExists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

const fn counted(rate: Rate, whose: &str) -> Counted<'_> {
    Counted { rate, whose }
}

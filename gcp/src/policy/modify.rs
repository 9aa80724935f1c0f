//! Reads and changes the policies of accounts, projects, buckets and managed folders.

use crate::transport::http::invalid;
use crate::{Error, Gcp, Policy, Resource};

/// Options for changing a policy.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// Create a managed folder that does not exist.
    pub create_folder: bool,
    /// Write the policy even if the change does not change it. A read may be older than the last write, and only Google's
    /// comparison of the etag shows it.
    pub always_write: bool,
}

impl Gcp {
    /// The policy of a resource, including conditions.
    ///
    /// # Errors
    /// `NotFound` if the resource does not exist.
    pub async fn policy(&self, resource: &Resource) -> Result<Policy, Error> {
        resource.check()?;
        self.read_policy(&mut self.retry(), resource).await
    }

    /// Reads the policy, changes it, and writes it with its etag, unless nothing changes. If the policy has changed
    /// meanwhile, or an answer was lost, it starts again with a new read, until the time limit. Creates a managed folder
    /// that does not exist. Returns the policy as it is afterwards.
    ///
    /// # Errors
    /// `NotYetVisible` if a member is an account that Google does not know everywhere yet; `PoolMissing`.
    pub async fn modify_policy<R>(
        &self,
        resource: &Resource,
        change: impl Fn(&mut Policy) -> R + Send + Sync,
    ) -> Result<Policy, Error> {
        let options = WriteOptions {
            create_folder: true,
            always_write: false,
        };
        self.modify_policy_with(options, resource, change).await
    }

    /// As [`Gcp::modify_policy`], with other options.
    ///
    /// # Errors
    /// As [`Gcp::modify_policy`]; `NotFound` also for a managed folder that must not be created.
    pub async fn modify_policy_with<R>(
        &self,
        options: WriteOptions,
        resource: &Resource,
        change: impl Fn(&mut Policy) -> R + Send + Sync,
    ) -> Result<Policy, Error> {
        resource.check()?;
        let what = format!("change the policy of {resource}");
        let is_folder = matches!(resource, Resource::ManagedFolder { .. });
        let mut retry = self.retry();
        loop {
            let before = match self.read_policy(&mut retry, resource).await {
                Err(Error::NotFound(_)) if options.create_folder && is_folder => {
                    self.create_and_read(&mut retry, resource).await?
                }
                found => found?,
            };
            let mut after = before.clone();
            change(&mut after);
            let has_etag = before.etag().is_some_and(|etag| !etag.is_empty());
            if after == before && !(has_etag && options.always_write) {
                return Ok(before);
            }
            if !has_etag {
                let message =
                    "the policy has no etag, so that a write could overwrite other changes";
                return Err(invalid(&what, message));
            }
            let consumer = resource.consumer();
            let quota = resource.rate(true).of(&consumer);
            let write = self.write_policy(&what, resource, &after);
            match retry.once(&what, quota, write).await {
                Ok(policy) => {
                    tracing::info!(%resource, "policy changed");
                    return Ok(policy);
                }
                // Storage reports a conflict as 409 without ABORTED, too.
                Err(Error::AlreadyExists(failure)) => {
                    retry.pause_after(Error::Conflict(failure)).await?;
                }
                Err(error @ Error::NotYetVisible(_)) => return Err(error),
                Err(error) => retry.pause_after(error).await?,
            }
        }
    }
}

//! Reads and changes the policies of accounts, projects, buckets and managed folders.

use google_cloud_iam_v1::model as iam;
use reqwest::Method;
use serde_json::{Value, json};

use crate::error::classify;
use crate::transport::http::{Bearer, invalid, url};
use crate::transport::names::{account_name, project_of};
use crate::transport::retry::{Counted, Retry};
use crate::{AccessToken, Error, Gcp, Policy, Resource};

/// How a policy is changed, whatever the change.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// A managed folder that is not there is made.
    pub makes: bool,
    /// What shows nothing to change is written, too. A read may be older than the last write ("eventually consistent"),
    /// and only Google's comparison of the etag tells.
    pub confirms: bool,
}

impl Gcp {
    /// The policy of a resource, conditions included.
    ///
    /// # Errors
    /// `NotFound` when the resource is not there.
    pub async fn policy(&self, resource: &Resource) -> Result<Policy, Error> {
        resource.check()?;
        self.read(&mut self.retry(), resource).await
    }

    /// Reads the policy, changes it, and writes it with its etag; nothing is written when nothing changes. When
    /// somebody else was faster, or an answer was lost, all of it is done again on a fresh read, until the limit.
    /// A managed folder that is not there is made. Returns the policy as it is afterwards.
    ///
    /// # Errors
    /// `NotYetVisible` when a member is an account that Google does not know everywhere yet; `PoolMissing`.
    pub async fn modify_policy(
        &self,
        resource: &Resource,
        change: impl Fn(&mut Policy) + Send + Sync,
    ) -> Result<Policy, Error> {
        let manner = Manner {
            makes: true,
            confirms: false,
        };
        self.modify_policy_as(manner, resource, change).await
    }

    /// As [`Gcp::modify_policy`], in another manner.
    ///
    /// # Errors
    /// As [`Gcp::modify_policy`]; `NotFound` also for a managed folder that is not made.
    pub async fn modify_policy_as(
        &self,
        manner: Manner,
        resource: &Resource,
        change: impl Fn(&mut Policy) + Send + Sync,
    ) -> Result<Policy, Error> {
        resource.check()?;
        let what = format!("change the policy of {resource}");
        let mut retry = self.retry();
        loop {
            let before = if manner.makes {
                self.read_or_make(&mut retry, resource).await?
            } else {
                self.read(&mut retry, resource).await?
            };
            let mut after = before.clone();
            change(&mut after);
            let etag_less = before.etag().is_none_or(str::is_empty);
            if after == before && (etag_less || !manner.confirms) {
                return Ok(before);
            }
            if etag_less {
                return Err(invalid(
                    &what,
                    "the policy came without an etag, and would be overwritten blindly",
                ));
            }
            let whose = resource.counted_for();
            let counted = Counted {
                rate: resource.rate(true),
                whose: &whose,
            };
            let write = self.write(&what, resource, &after);
            match retry.once(&what, counted, write).await {
                Ok(policy) => {
                    tracing::info!(%resource, "policy changed");
                    return Ok(policy);
                }
                // Storage says "conflict" in this way, too.
                Err(Error::AlreadyExists(failure)) => {
                    retry.pause_after(Error::Conflict(failure)).await?;
                }
                Err(error @ Error::NotYetVisible(_)) => return Err(error),
                Err(error) => retry.pause_after(error).await?,
            }
        }
    }

    /// Which of these permissions the bearer of `token` has on a resource.
    ///
    /// # Errors
    /// As Google answers; a token of an account that may not even ask gets `PermissionDenied`.
    pub async fn test_iam_permissions(
        &self,
        resource: &Resource,
        token: &AccessToken,
        permissions: &[&str],
    ) -> Result<Vec<String>, Error> {
        self.test_as(Bearer::Token(token), resource, permissions)
            .await
    }

    /// As [`Gcp::test_iam_permissions`], of our own.
    ///
    /// # Errors
    /// `NotFound` when the resource is not there.
    pub async fn own_permissions(
        &self,
        resource: &Resource,
        permissions: &[&str],
    ) -> Result<Vec<String>, Error> {
        self.test_as(Bearer::Ours, resource, permissions).await
    }

    async fn test_as(
        &self,
        bearer: Bearer<'_>,
        resource: &Resource,
        permissions: &[&str],
    ) -> Result<Vec<String>, Error> {
        resource.check()?;
        let what = format!("test permissions on {resource}");
        let base = match self.policy_url(resource)? {
            PolicyUrl::Verb(base, last) => url(&base, &[&format!("{last}:testIamPermissions")])?,
            PolicyUrl::Storage(base) => {
                let mut url = url(&base, &["testPermissions"])?;
                let query = permissions.iter().map(|p| ("permissions", *p));
                url.query_pairs_mut().extend_pairs(query);
                url
            }
        };
        let whose = resource.counted_for();
        let counted = Counted {
            rate: resource.rate(false),
            whose: &whose,
        };
        let answer = self
            .retry()
            .idempotent(&what, counted, || {
                let request = match resource {
                    Resource::Bucket { .. } | Resource::ManagedFolder { .. } => {
                        self.http.get(base.clone())
                    }
                    _ => self
                        .http
                        .post(base.clone())
                        .json(&json!({"permissions": permissions})),
                };
                self.send(&what, request, bearer)
            })
            .await?;
        let held = answer["permissions"].as_array();
        Ok(held
            .into_iter()
            .flatten()
            .filter_map(|p| p.as_str().map(str::to_owned))
            .collect())
    }

    async fn read_or_make(&self, retry: &mut Retry, resource: &Resource) -> Result<Policy, Error> {
        match (self.read(retry, resource).await, resource) {
            (Err(Error::NotFound(_)), Resource::ManagedFolder { bucket, folder }) => {
                self.make_folder(retry, bucket, folder).await?;
                self.read(retry, resource).await
            }
            (found, _) => found,
        }
    }

    async fn read(&self, retry: &mut Retry, resource: &Resource) -> Result<Policy, Error> {
        let what = format!("read the policy of {resource}");
        let whose = resource.counted_for();
        let counted = Counted {
            rate: resource.rate(false),
            whose: &whose,
        };
        let json = retry
            .idempotent(&what, counted, || async {
                if let Resource::ServiceAccount { email } = resource {
                    return self.read_account(&what, email).await;
                }
                let request = match self.policy_url(resource)? {
                    PolicyUrl::Verb(base, last) => self
                        .http
                        .post(url(&base, &[&format!("{last}:getIamPolicy")])?)
                        .json(&json!({"options": {"requestedPolicyVersion": 3}})),
                    PolicyUrl::Storage(base) => {
                        let mut url = url(&base, &[])?;
                        url.query_pairs_mut()
                            .append_pair("optionsRequestedPolicyVersion", "3");
                        self.http.get(url)
                    }
                };
                self.send(&what, request, Bearer::Ours).await
            })
            .await?;
        Policy::parse(json).ok_or_else(|| invalid(&what, "the answer is no policy"))
    }

    async fn write(
        &self,
        what: &str,
        resource: &Resource,
        policy: &Policy,
    ) -> Result<Policy, Error> {
        let json = policy.to_json();
        let answer = match (self.policy_url(resource)?, resource) {
            (_, Resource::ServiceAccount { email }) => {
                self.write_account(what, email, json).await?
            }
            (PolicyUrl::Verb(base, last), _) => {
                let url = url(&base, &[&format!("{last}:setIamPolicy")])?;
                let request = self.http.post(url).json(&json!({"policy": json}));
                self.send(what, request, Bearer::Ours).await?
            }
            (PolicyUrl::Storage(base), _) => {
                let request = self.http.request(Method::PUT, url(&base, &[])?).json(&json);
                self.send(what, request, Bearer::Ours).await?
            }
        };
        Policy::parse(answer).ok_or_else(|| invalid(what, "the answer is no policy"))
    }

    async fn read_account(&self, what: &str, email: &str) -> Result<Value, Error> {
        let request = self
            .iam
            .get_iam_policy()
            .set_resource(account_name(&project_of(email), email)?)
            .set_options(iam::GetPolicyOptions::new().set_requested_policy_version(3));
        let policy = request
            .send()
            .await
            .map_err(|e| classify::from_gax(what, &e))?;
        // The crate's type keeps fields that it does not know.
        serde_json::to_value(policy).map_err(|_| invalid(what, "the answer is no policy"))
    }

    async fn write_account(&self, what: &str, email: &str, policy: Value) -> Result<Value, Error> {
        let policy: iam::Policy =
            serde_json::from_value(policy).map_err(|e| invalid(what, &e.to_string()))?;
        let request = self
            .iam
            .set_iam_policy()
            .set_resource(account_name(&project_of(email), email)?)
            .set_policy(policy);
        let policy = request
            .send()
            .await
            .map_err(|e| classify::from_gax(what, &e))?;
        serde_json::to_value(policy).map_err(|_| invalid(what, "the answer is no policy"))
    }

    fn policy_url(&self, resource: &Resource) -> Result<PolicyUrl, Error> {
        let of = |base: &str, parts: &[&str]| url(base, parts).map(String::from);
        Ok(match resource {
            Resource::ServiceAccount { email } => PolicyUrl::Verb(
                of(
                    &self.endpoints.iam,
                    &["v1", "projects", &project_of(email), "serviceAccounts"],
                )?,
                email.clone(),
            ),
            Resource::Project { id } => PolicyUrl::Verb(
                of(&self.endpoints.resource_manager, &["v3", "projects"])?,
                id.clone(),
            ),
            Resource::Bucket { name } => PolicyUrl::Storage(of(
                &self.endpoints.storage,
                &["storage", "v1", "b", name, "iam"],
            )?),
            Resource::ManagedFolder { bucket, folder } => PolicyUrl::Storage(of(
                &self.endpoints.storage,
                &[
                    "storage",
                    "v1",
                    "b",
                    bucket,
                    "managedFolders",
                    folder,
                    "iam",
                ],
            )?),
        })
    }
}

/// How a service names a policy in a URL.
enum PolicyUrl {
    /// `BASE/LAST:getIamPolicy`.
    Verb(String, String),
    /// `BASE`, with GET and PUT.
    Storage(String),
}

//! The requests for policies: the official crate for accounts, plain HTTP for the other resources.

use google_cloud_gax::error::Error as GaxError;
use google_cloud_iam_v1::model as iam;
use reqwest::Url;
use serde_json::{Value, json};

use crate::error::classify;
use crate::transport::http::{Bearer, invalid, url};
use crate::transport::names::{account_name, project_of};
use crate::transport::retry::Retry;
use crate::{Error, Gcp, Policy, Resource};

impl Gcp {
    pub(super) async fn read_policy(
        &self,
        retry: &mut Retry,
        resource: &Resource,
    ) -> Result<Policy, Error> {
        let what = format!("read the policy of {resource}");
        let consumer = resource.consumer();
        let quota = resource.rate(false).of(&consumer);
        let json = retry
            .idempotent(&what, quota, || self.get_policy(&what, resource))
            .await?;
        parse(&what, json)
    }

    /// Creates the managed folder and reads its policy.
    pub(super) async fn create_and_read(
        &self,
        retry: &mut Retry,
        resource: &Resource,
    ) -> Result<Policy, Error> {
        if let Resource::ManagedFolder { bucket, folder } = resource {
            self.create_managed_folder(retry, bucket, folder).await?;
        }
        self.read_policy(retry, resource).await
    }

    async fn get_policy(&self, what: &str, resource: &Resource) -> Result<Value, Error> {
        if let Resource::ServiceAccount { email } = resource {
            return self.get_account_policy(what, email).await;
        }
        let mut url = self.policy_url(resource, "getIamPolicy")?;
        let request = if resource.is_in_storage() {
            url.query_pairs_mut()
                .append_pair("optionsRequestedPolicyVersion", "3");
            self.http.get(url)
        } else {
            let options = json!({"options": {"requestedPolicyVersion": 3}});
            self.http.post(url).json(&options)
        };
        self.send(what, request, Bearer::Ours).await
    }

    pub(super) async fn write_policy(
        &self,
        what: &str,
        resource: &Resource,
        policy: &Policy,
    ) -> Result<Policy, Error> {
        let policy = policy.to_json();
        if let Resource::ServiceAccount { email } = resource {
            let written = self.set_account_policy(what, email, policy).await?;
            return parse(what, written);
        }
        let url = self.policy_url(resource, "setIamPolicy")?;
        let request = match resource.is_in_storage() {
            true => self.http.put(url).json(&policy),
            false => self.http.post(url).json(&json!({ "policy": policy })),
        };
        parse(what, self.send(what, request, Bearer::Ours).await?)
    }

    async fn get_account_policy(&self, what: &str, email: &str) -> Result<Value, Error> {
        let request = self
            .iam
            .get_iam_policy()
            .set_resource(account_name(&project_of(email), email)?)
            .set_options(iam::GetPolicyOptions::new().set_requested_policy_version(3));
        to_json(what, request.send().await)
    }

    async fn set_account_policy(
        &self,
        what: &str,
        email: &str,
        policy: Value,
    ) -> Result<Value, Error> {
        let policy: iam::Policy =
            serde_json::from_value(policy).map_err(|e| invalid(what, &e.to_string()))?;
        let request = self
            .iam
            .set_iam_policy()
            .set_resource(account_name(&project_of(email), email)?)
            .set_policy(policy);
        to_json(what, request.send().await)
    }

    /// The URL of `verb` on a resource's policy; storage uses the HTTP method instead of most verbs.
    pub(super) fn policy_url(&self, resource: &Resource, verb: &str) -> Result<Url, Error> {
        let mut storage: Vec<&str> = match resource {
            Resource::ServiceAccount { email } => {
                let (project, last) = (project_of(email), format!("{email}:{verb}"));
                let path = ["v1", "projects", &project, "serviceAccounts", &last];
                return url(&self.endpoints.iam, &path);
            }
            Resource::Project { id } => {
                let last = format!("{id}:{verb}");
                return url(&self.endpoints.resource_manager, &["v3", "projects", &last]);
            }
            Resource::Bucket { name } => vec!["storage", "v1", "b", name, "iam"],
            Resource::ManagedFolder { bucket, folder } => {
                let folders = "managedFolders";
                vec!["storage", "v1", "b", bucket, folders, folder, "iam"]
            }
        };
        if verb == "testIamPermissions" {
            storage.push("testPermissions");
        }
        url(&self.endpoints.storage, &storage)
    }
}

fn parse(what: &str, json: Value) -> Result<Policy, Error> {
    Policy::parse(json).ok_or_else(|| invalid(what, "the answer is not a policy"))
}

// The crate's type keeps fields that it does not know.
fn to_json(what: &str, answer: Result<iam::Policy, GaxError>) -> Result<Value, Error> {
    let policy = answer.map_err(|error| classify::from_gax(what, &error))?;
    serde_json::to_value(policy).map_err(|_| invalid(what, "the answer is not a policy"))
}

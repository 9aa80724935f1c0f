//! Tests permissions on a resource.

use secrecy::SecretString;
use serde_json::json;

use crate::transport::http::Bearer;
use crate::{Error, Gcp, Resource};

impl Gcp {
    /// Which of these permissions the holder of `token` has on a resource.
    ///
    /// # Errors
    /// As Google answers; an account that is not even allowed to test permissions gets `PermissionDenied`.
    pub async fn test_iam_permissions(
        &self,
        resource: &Resource,
        token: &SecretString,
        permissions: &[&str],
    ) -> Result<Vec<String>, Error> {
        self.test_permissions(Bearer::Token(token), resource, permissions)
            .await
    }

    /// Which of these permissions we have on a resource.
    ///
    /// # Errors
    /// `NotFound` if the resource does not exist.
    pub async fn own_permissions(
        &self,
        resource: &Resource,
        permissions: &[&str],
    ) -> Result<Vec<String>, Error> {
        self.test_permissions(Bearer::Ours, resource, permissions)
            .await
    }

    async fn test_permissions(
        &self,
        bearer: Bearer<'_>,
        resource: &Resource,
        permissions: &[&str],
    ) -> Result<Vec<String>, Error> {
        resource.check()?;
        let what = format!("test permissions on {resource}");
        let mut url = self.policy_url(resource, "testIamPermissions")?;
        if resource.is_in_storage() {
            let query = permissions.iter().map(|p| ("permissions", *p));
            url.query_pairs_mut().extend_pairs(query);
        }
        let consumer = resource.consumer();
        let answer = self
            .retry()
            .idempotent(&what, resource.rate(false).of(&consumer), || {
                let request = match resource.is_in_storage() {
                    true => self.http.get(url.clone()),
                    false => {
                        let body = json!({"permissions": permissions});
                        self.http.post(url.clone()).json(&body)
                    }
                };
                self.send(&what, request, bearer)
            })
            .await?;
        let held = answer["permissions"].as_array().into_iter().flatten();
        Ok(held.filter_map(|p| p.as_str().map(str::to_owned)).collect())
    }
}

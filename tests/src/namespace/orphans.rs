//! Objects that have the mark of a stack and belong to no Identity.

use anyhow::{Result, anyhow};
use k8s_openapi::api::core::v1::ServiceAccount;
use namesake_api::{
    Mark,
    names::{MANAGED_BY, MANAGED_BY_VALUE, MARK_ANNOTATION},
};
use namesake_sandbox::CLUSTER;
use serde_json::json;

use crate::namespace::TestNamespace;

impl TestNamespace {
    /// The mark of a stack of this cluster for a service account in this namespace.
    ///
    /// # Errors
    /// The names are not valid in a mark.
    pub fn mark(&self, stack: &str, account: &str) -> Result<String> {
        let mark = Mark::new(stack, CLUSTER, &self.name, account);
        let mark = mark.map_err(|error| anyhow!("{error}"))?;
        Ok(mark.to_string())
    }

    /// Creates a service account like the broker of that stack, but without an Identity.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn create_account_without_identity(
        &self,
        stack: &str,
        name: &str,
    ) -> Result<ServiceAccount> {
        let account = json!({"metadata": {
            "name": name, "labels": {MANAGED_BY: MANAGED_BY_VALUE}, "annotations": {MARK_ANNOTATION: self.mark(stack, name)?},
        }});
        let account: ServiceAccount = serde_json::from_value(account)?;
        Ok(self.broker().await?.create(account).await?)
    }
}

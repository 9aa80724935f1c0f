//! Brokers of stacks that do not run, and objects that have the mark of a stack and belong to no Identity.

use anyhow::{Result, anyhow};
use k8s_openapi::api::core::v1::ServiceAccount;
use namesake_api::{
    Mark,
    names::{
        BROKER_SERVICE_ACCOUNT, GROUP, MANAGED_BY, MANAGED_BY_VALUE, MARK_ANNOTATION,
        SYSTEM_NAMESPACE,
    },
};
use namesake_sandbox::CLUSTER;
use serde_json::json;

use crate::{
    cluster::{manifests, person::Person, refusal::refused},
    eventually::eventually,
    namespace::TestNamespace,
};

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
        let broker = if stack == self.stack.name() {
            self.broker().await?
        } else {
            self.broker_of(stack, true).await?
        };
        Ok(broker.create(account).await?)
    }

    /// The account `namesake-broker` of the namespace of a stack that does not run. It has the rights of a broker in this namespace;
    /// `serves`: and the right to serve its stack.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn broker_of(&self, stack: &str, serves: bool) -> Result<Person> {
        let home = format!("{SYSTEM_NAMESPACE}-{stack}");
        let admin = self.admin().await?;
        let (group, name) = ("rbac.authorization.k8s.io", BROKER_SERVICE_ACCOUNT);
        let subjects = json!([{"kind": "ServiceAccount", "name": name, "namespace": home}]);
        let api = format!("{group}/v1");
        let bound = |kind: &str, role: &str| {
            json!({"apiVersion": api, "kind": kind, "metadata": {"name": format!("{home}-{role}")}, "subjects": subjects,
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role}})
        };
        let mut all = vec![
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}}),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": home}}),
            bound("RoleBinding", "namesake-broker-namespace"),
        ];
        if serves {
            let rule = json!({"apiGroups": [GROUP], "resources": ["stacks"], "resourceNames": [stack], "verbs": ["serve"]});
            all.push(json!({"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": home}, "rules": [rule]}));
            all.push(bound("ClusterRoleBinding", &home));
        }
        for object in all {
            manifests::apply(admin.client(), &object, &self.name, false).await?;
        }
        let cluster = self.stack.cluster();
        let broker = cluster.service_account(&home, name, &self.name).await?;
        let probe = json!({"metadata": {
            "name": "mf-probe-aaaaaaaaaaaaaa", "annotations": {MARK_ANNOTATION: self.mark(stack, "mf-probe-aaaaaaaaaaaaaa")?},
        }});
        let probe: ServiceAccount = serde_json::from_value(probe)?;
        eventually("the API server knows its rights", async || {
            let made = broker.dry_run::<ServiceAccount>(probe.clone()).await;
            if serves {
                made?;
            } else {
                refused(made)?.with_message("managed by Namesake")?;
            }
            Ok(())
        })
        .await?;
        Ok(broker)
    }
}

//! A running task: its account, with the token that its pod was given, and with rights that an admin gives it. And accounts of
//! other programs, at home elsewhere.

use anyhow::{Context, Result};
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{Pod, ServiceAccount},
};
use kube::{Api, Client, ResourceExt, api::PostParams};
use serde_json::json;

use super::{TestNamespace, account_of};
use crate::cluster::{manifests, person::Person};

impl TestNamespace {
    /// The account of a pod, with the token that its kubelet would give it.
    ///
    /// # Errors
    /// The API server makes none.
    pub async fn as_pod(&self, pod: &Pod) -> Result<Person> {
        let account = account_of(pod);
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin.clone(), &self.name);
        let bound = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            uid: pod.uid(),
        };
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                bound_object_ref: Some(bound),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await?;
        let token = answer.status.and_then(|status| status.token);
        let mut config = self.stack.cluster().config_of(&self.name, account).await?;
        config.auth_info.token = Some(token.context("no token")?.into());
        config.default_retry = false;
        let user = format!("system:serviceaccount:{}:{account}", self.name);
        Ok(Person::new(&user, Client::try_from(config)?, &self.name))
    }

    /// An account of another namespace, with a real token, which may edit here: a hub's, or Airflow's.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn account_with_edit(&self, home: &str, account: &str) -> Result<Person> {
        let cluster = self.stack.cluster();
        cluster.control_plane.namespace(home, &[]).await?;
        let made =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}});
        manifests::apply(&self.admin, &made, home, false).await?;
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": format!("{home}-{account}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": home}]});
        manifests::apply(&self.admin, &binding, &self.name, false).await?;
        cluster.service_account(home, account, &self.name).await
    }

    /// An admin lets the account of a pod do here what a ClusterRole says.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn grant_role(&self, pod: &Pod, role: &str) -> Result<()> {
        let account = account_of(pod);
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": format!("{account}-may-{role}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": self.name}]});
        manifests::apply(&self.admin, &binding, &self.name, false).await
    }
}

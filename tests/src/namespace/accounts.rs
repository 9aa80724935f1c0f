//! Service accounts: of a task pod, with its bound token, and of programs in other namespaces.

use anyhow::{Context, Result};
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{Pod, ServiceAccount},
};
use kube::{Api, Client, ResourceExt, api::PostParams};
use secrecy::SecretString;
use serde_json::json;

use super::{TestNamespace, account_of};
use crate::cluster::{manifests, person::Person};

impl TestNamespace {
    /// The service account of a pod, with a token bound to the pod, like the one that the kubelet mounts.
    ///
    /// # Errors
    /// The API server issues none.
    pub async fn as_pod(&self, pod: &Pod) -> Result<Person> {
        let account = account_of(pod);
        let mut config = self.stack.cluster().config_of(&self.name, account).await?;
        config.auth_info.token = Some(self.pod_token(pod, &[]).await?);
        config.default_retry = false;
        let user = format!("system:serviceaccount:{}:{account}", self.name);
        Ok(Person::new(&user, Client::try_from(config)?, &self.name))
    }

    /// A token of a pod's service account that is bound to the pod, for these audiences; without any, for the API server.
    ///
    /// # Errors
    /// The API server issues none.
    pub async fn pod_token(&self, pod: &Pod, audiences: &[&str]) -> Result<SecretString> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin.clone(), &self.name);
        let bound = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            uid: pod.uid(),
        };
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(audiences.iter().map(ToString::to_string).collect()),
                bound_object_ref: Some(bound),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(account_of(pod), &PostParams::default(), &request)
            .await?;
        let token = answer.status.and_then(|status| status.token);
        Ok(token.context("the TokenRequest has no token")?.into())
    }

    /// A service account of another namespace (of a hub, or of Airflow), with a real token and with `edit` here.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn account_with_edit(&self, home: &str, account: &str) -> Result<Person> {
        let cluster = self.stack.cluster();
        cluster.control_plane.namespace(home, &[]).await?;
        let object =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}});
        manifests::apply(&self.admin, &object, home, false).await?;
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": format!("{home}-{account}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": home}]});
        manifests::apply(&self.admin, &binding, &self.name, false).await?;
        cluster.service_account(home, account, &self.name).await
    }

    /// Binds the service account of a pod to a ClusterRole in this namespace, as an admin.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn grant_role(&self, pod: &Pod, role: &str) -> Result<()> {
        let account = account_of(pod);
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": format!("{account}-{role}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": self.name}]});
        manifests::apply(&self.admin, &binding, &self.name, false).await
    }
}

//! Namespaces in which people work, and the custom resources in them.

use anyhow::Result;
use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Namespace, ServiceAccount},
        rbac::v1::RoleBinding,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{ControlPlane, FIELD_MANAGER};
use crate::kubernetes::users::{ADMIN, PEOPLE};

impl ControlPlane {
    /// Creates or updates a namespace with these labels in which alice, bob and mallory have the role `edit`, and waits until pods
    /// can be created there.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn namespace(&self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        let client = self.client(ADMIN).await?;
        let labels: serde_json::Map<_, _> = labels
            .iter()
            .map(|&(key, value)| (key.to_owned(), json!(value)))
            .collect();
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        let apply = PatchParams::apply(FIELD_MANAGER).force();
        Api::<Namespace>::all(client.clone())
            .patch(name, &apply, &Patch::Apply(&namespace))
            .await?;
        let subjects = PEOPLE.map(
            |user| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}),
        );
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "people"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}, "subjects": subjects,
        });
        let bindings = Api::<RoleBinding>::namespaced(client.clone(), name);
        bindings
            .patch("people", &apply, &Patch::Apply(&binding))
            .await?;
        self.until("prepare the namespace", || is_prepared(&client, name))
            .await
    }

    /// Waits until the API server serves the custom resources of these CustomResourceDefinitions.
    ///
    /// # Errors
    /// It does not within 90 s.
    pub async fn wait_until_served(&self, names: &[&str]) -> Result<()> {
        let kinds: Api<CustomResourceDefinition> = Api::all(self.client(ADMIN).await?);
        for name in names {
            self.until(&format!("serve {name}"), || is_served(&kinds, name))
                .await?;
        }
        Ok(())
    }
}

/// Whether the controllers have created what every pod of a namespace needs.
pub(super) async fn is_prepared(client: &Client, namespace: &str) -> bool {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    matches!(accounts.get_opt("default").await, Ok(Some(_)))
        && matches!(config_maps.get_opt("kube-root-ca.crt").await, Ok(Some(_)))
}

async fn is_served(kinds: &Api<CustomResourceDefinition>, name: &str) -> bool {
    let found = kinds.get_opt(name).await.ok().flatten();
    let conditions = found.and_then(|kind| kind.status?.conditions);
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|it| it.type_ == "Established" && it.status == "True")
}

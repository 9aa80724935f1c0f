//! The authorizer itself, with the rights of its manifests, on the cluster of a stack.

use std::path::Path;

use anyhow::Result;
use namesake_api::names::{RULES_CONFIG_MAP, RULES_KEY, SYSTEM_NAMESPACE};
use namesake_sandbox::{
    WorkFolder,
    gateway::{Authorizer, Gateway},
    host::children::Children,
    kubernetes::users::ADMIN,
};
use serde_json::json;

use crate::{
    cluster::{
        Cluster,
        manifests::{apply, file, objects},
    },
    stack::SHARED_RULES,
};

/// The namespace of the authorizer that tests share: the rules of their stack have no endpoints.
const NAMESPACE: &str = "namesake-endpoints";
/// Who may use the endpoints, at the end of rules.
pub const ENDPOINTS: &str = "
endpoints:
  read: {users: [\"*@acme.com\"]}
  write: {users: [alice@acme.com, bob@acme.com]}
";

/// The rights that its manifests give it, in this namespace.
async fn install_rights(cluster: &Cluster, namespace: &str) -> Result<()> {
    let client = cluster.control_plane.client(ADMIN).await?;
    let manifest = file("gateway/rbac.yaml")?.replace(SYSTEM_NAMESPACE, namespace);
    for object in objects(&manifest)? {
        apply(&client, &object, namespace, false).await?;
    }
    Ok(())
}

/// Starts one with rules of its own.
pub(super) async fn start_with_own_rules(
    children: &Children,
    program: &Path,
    folder: &WorkFolder,
    gateway: &Gateway,
    cluster: &Cluster,
) -> Result<Authorizer> {
    let control_plane = &cluster.control_plane;
    control_plane.namespace(NAMESPACE, &[]).await?;
    install_rights(cluster, NAMESPACE).await?;
    let rules = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": RULES_CONFIG_MAP},
        "data": {RULES_KEY: format!("{SHARED_RULES}{ENDPOINTS}")},
    });
    apply(
        &control_plane.client(ADMIN).await?,
        &rules,
        NAMESPACE,
        false,
    )
    .await?;
    Authorizer::start(children, program, folder, gateway, control_plane, NAMESPACE).await
}

/// Starts one with the rules of the cluster's stack.
pub(super) async fn start(
    children: &Children,
    program: &Path,
    folder: &WorkFolder,
    gateway: &Gateway,
    cluster: &Cluster,
) -> Result<Authorizer> {
    install_rights(cluster, SYSTEM_NAMESPACE).await?;
    let control_plane = &cluster.control_plane;
    Authorizer::start(
        children,
        program,
        folder,
        gateway,
        control_plane,
        SYSTEM_NAMESPACE,
    )
    .await
}

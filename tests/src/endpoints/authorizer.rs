//! The authorizer itself, with the rights of its manifests, on the cluster of a stack. Its rules are in a namespace of their own: those
//! of the stack have no endpoints.

use std::{path::Path, time::Duration};

use anyhow::{Result, bail, ensure};
use data_encoding::BASE64;
use namesake_api::names::{
    self, GATEWAY_SERVICE_ACCOUNT, RULES_CONFIG_MAP, RULES_KEY, SYSTEM_NAMESPACE,
};
use namesake_sandbox::{
    WorkFolder,
    gateway::Gateway,
    host::{
        children::{Child, Children, Launch},
        ports,
    },
    kubernetes::users::ADMIN,
};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::{
    cluster::{
        Cluster,
        manifests::{apply, file, objects},
    },
    eventually::eventually,
    stack::SHARED_RULES,
};

const NAMESPACE: &str = "namesake-endpoints";
const ENDPOINTS: &str = "
endpoints:
  read: {users: [\"*@acme.com\"]}
  write: {users: [alice@acme.com, bob@acme.com]}
";

/// Its rights and its rules.
async fn install(cluster: &Cluster) -> Result<()> {
    let client = cluster.control_plane.client(ADMIN).await?;
    cluster.control_plane.namespace(NAMESPACE, &[]).await?;
    let manifest = file("gateway/rbac.yaml")?.replace(SYSTEM_NAMESPACE, NAMESPACE);
    let rules = format!("{SHARED_RULES}{ENDPOINTS}");
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": RULES_CONFIG_MAP},
        "data": {RULES_KEY: rules},
    });
    for object in objects(&manifest)?.iter().chain([&map]) {
        apply(&client, object, NAMESPACE, false).await?;
    }
    Ok(())
}

/// Starts it, and waits until it is ready.
pub(super) async fn start(
    children: &Children,
    program: &Path,
    folder: &WorkFolder,
    gateway: &Gateway,
    cluster: &Cluster,
) -> Result<Child> {
    install(cluster).await?;
    let token = cluster
        .token(NAMESPACE, GATEWAY_SERVICE_ACCOUNT, &[])
        .await?;
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {
            "server": cluster.control_plane.server(),
            "certificate-authority-data": BASE64.encode(cluster.control_plane.ca_pem().as_bytes()),
        }}],
        "users": [{"name": "c", "user": {"token": token.expose_secret()}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    });
    let at = folder.kubeconfigs().join(GATEWAY_SERVICE_ACCOUNT);
    std::fs::write(&at, kubeconfig.to_string())?;
    let metrics = format!("127.0.0.1:{}", ports::free()?);
    let mut launch = Launch::new(
        "authorizer",
        program,
        vec!["serve".to_owned()],
        &folder.logs(),
    );
    launch.env = [
        ("KUBECONFIG", at.display().to_string()),
        ("NO_PROXY", "127.0.0.1".to_owned()),
        (names::ENV_NAMESPACE, NAMESPACE.to_owned()),
        (
            names::ENV_GATEWAY_CONFIG,
            gateway.config().display().to_string(),
        ),
        (
            names::ENV_GATEWAY_SOCKET,
            gateway.socket().display().to_string(),
        ),
        (names::ENV_METRICS_LISTEN, metrics.clone()),
        (names::ENV_DRAIN, "0s".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let child = children.spawn(&launch)?;
    let ready = format!("http://{metrics}{}", names::READY_PATH);
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(2))
        .build()?;
    eventually("the authorizer is ready", async || {
        if child.ended().is_some() {
            bail!("{}", child.failure());
        }
        let answer = client.get(&ready).send().await?;
        ensure!(answer.status().is_success(), "{}", answer.text().await?);
        Ok(())
    })
    .await?;
    Ok(child)
}

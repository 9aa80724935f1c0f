//! The objects of a stack in its cluster: the rules, the webhook configurations, the authority.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use namesake_api::names::{AUTHORITY_SECRET, RULES_CONFIG_MAP, RULES_KEY, SYSTEM_NAMESPACE};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, manifests},
    eventually::eventually,
};

/// The field manager of the rules.
const EDITOR: &str = "kubectl-edit";

/// Writes the rules.
pub(super) async fn write_rules(client: &Client, text: &str) -> kube::Result<ConfigMap> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": RULES_CONFIG_MAP}, "data": {RULES_KEY: text}});
    maps.patch(
        RULES_CONFIG_MAP,
        &PatchParams::apply(EDITOR).force(),
        &Patch::Apply(&map),
    )
    .await
}

/// Applies the webhook configurations of the loopback overlay, with the port of this webhook.
pub(super) async fn configure(
    cluster: &Cluster,
    client: &Client,
    webhook: SocketAddr,
) -> Result<()> {
    let text = manifests::rendered(&cluster.control_plane, "overlays/loopback")?;
    let text = text.replace("127.0.0.1:10250", &webhook.to_string());
    let configurations = |object: &Value| {
        object["kind"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("WebhookConfiguration"))
    };
    for object in manifests::objects(&text)?
        .iter()
        .filter(|object| configurations(object))
    {
        manifests::apply(client, object, SYSTEM_NAMESPACE, false).await?;
    }
    Ok(())
}

/// Waits for the certificate of the stack's authority, and returns it.
pub(super) async fn authority(client: &Client) -> Result<Vec<u8>> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    eventually("the authority exists", async || {
        let secret = secrets.get(AUTHORITY_SECRET).await?;
        let certificate = secret.data.and_then(|mut data| data.remove("tls.crt"));
        Ok(certificate.context("the authority's Secret is empty")?.0)
    })
    .await
}

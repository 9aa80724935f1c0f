//! Pods that would be their node to Google, not their user: on the host's network, or on a node without GKE's metadata server.

use namesake_core::{Rules, is_managed_name};

use crate::decide::kinds::Template;
use crate::review::Spec;
use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;

/// Label of GKE's nodes that have the metadata server; its value is `true`.
const METADATA_SERVER: &str = "iam.gke.io/gke-metadata-server-enabled";

/// Checks that a pod that runs as `account` gets that account's identity from its node.
///
/// # Errors
/// It would silently be the node's identity.
pub(crate) fn gives_identity(
    rules: &Rules,
    spec: Option<&Spec<'_>>,
    account: &str,
) -> Result<(), Refused> {
    let on_host = spec.is_some_and(|s| s.host_network == Some(true));
    let selector = spec.and_then(|s| s.node_selector.as_ref());
    let selected = selector.and_then(|s| s.get(METADATA_SERVER));
    on_node(rules, on_host, selected, account)
}

/// As [`gives_identity`], for the pods of a template.
///
/// # Errors
/// They would silently be the node's identity.
pub(crate) fn will_give_identity(
    rules: &Rules,
    template: &Template<'_>,
    account: &str,
) -> Result<(), Refused> {
    let selected = template.node_selector.get(METADATA_SERVER);
    let selected = selected.map(|value| &**value);
    on_node(rules, template.host_network, selected, account)
}

fn on_node(
    rules: &Rules,
    on_host: bool,
    selected: Option<&str>,
    account: &str,
) -> Result<(), Refused> {
    if !is_managed_name(account) {
        return Ok(());
    }
    if on_host {
        let text = format!(
            "a pod on the host's network is its node to Google, not {account}: take hostNetwork out of the pod"
        );
        return Err(Refused::forbidden(RefusalReason::HostNetwork, text));
    }
    if rules.requires_metadata_server() && selected != Some("true") {
        let text = format!(
            "on a node without GKE's metadata server a pod is its node to Google, not {account}: set the nodeSelector \
             {METADATA_SERVER}: \"true\" (Metaflow: METAFLOW_KUBERNETES_NODE_SELECTOR={METADATA_SERVER}=true, or \
             @kubernetes(node_selector=...))"
        );
        return Err(Refused::forbidden(RefusalReason::NoMetadataServer, text));
    }
    Ok(())
}

//! Pods that would be their node to Google, not their user: on the host's network, or on a node without GKE's metadata server.

use namesake_core::{Rules, is_managed_name};

use crate::review::Spec;
use crate::verdict::Refused;

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
    if !is_managed_name(account) {
        return Ok(());
    }
    if spec.is_some_and(|s| s.host_network == Some(true)) {
        let text = format!(
            "a pod on the host's network is its node to Google, not {account}: take hostNetwork out of the pod"
        );
        return Err(Refused::forbidden("HostNetwork", text));
    }
    let selector = spec.and_then(|s| s.node_selector.as_ref());
    let selected = selector.and_then(|s| s.get(METADATA_SERVER));
    if rules.requires_metadata_server() && selected != Some("true") {
        let text = format!(
            "on a node without GKE's metadata server a pod is its node to Google, not {account}: set the nodeSelector \
             {METADATA_SERVER}: \"true\" (Metaflow: METAFLOW_KUBERNETES_NODE_SELECTOR={METADATA_SERVER}=true, or \
             @kubernetes(node_selector=...))"
        );
        return Err(Refused::forbidden("NoMetadataServer", text));
    }
    Ok(())
}

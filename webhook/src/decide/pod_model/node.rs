//! Pods that Google would take for their node, not for their user: on the host's network, or on a node without GKE's metadata
//! server.

use namesake_api::names::GKE_METADATA_SERVER_LABEL as METADATA_SERVER;
use namesake_core::{Reason, Rules, is_managed_name};

use crate::decide::kinds::Template;
use crate::review::Spec;
use crate::review::refused::Refused;

/// Checks that a pod that runs as `account` gets that account's identity from its node.
///
/// # Errors
/// When the pod would silently get the identity of its node.
pub(crate) fn check_pod(
    rules: &Rules,
    spec: Option<&Spec<'_>>,
    account: &str,
) -> Result<(), Refused> {
    let host_network = spec.is_some_and(|s| s.host_network == Some(true));
    let selector = spec.and_then(|s| s.node_selector.as_ref());
    let selected = selector.and_then(|s| s.get(METADATA_SERVER));
    check(rules, host_network, selected, account)
}

/// As [`check_pod`], for the pods of a template.
///
/// # Errors
/// They would silently get the identity of the node.
pub(crate) fn check_template(
    rules: &Rules,
    template: &Template<'_>,
    account: &str,
) -> Result<(), Refused> {
    let selected = template.node_selector.get(METADATA_SERVER);
    check(
        rules,
        template.host_network,
        selected.map(AsRef::as_ref),
        account,
    )
}

fn check(
    rules: &Rules,
    host_network: bool,
    selected: Option<&str>,
    account: &str,
) -> Result<(), Refused> {
    if !is_managed_name(account) {
        return Ok(());
    }
    if host_network {
        let text = format!(
            "Google takes a pod on the host's network for its node, not for {account}: remove hostNetwork from the pod"
        );
        return Err(Refused::new(Reason::HostNetwork, text));
    }
    if rules.requires_metadata_server() && selected != Some("true") {
        let text = format!(
            "on a node without GKE's metadata server Google takes a pod for its node, not for {account}: set the nodeSelector \
             {METADATA_SERVER}: \"true\" (Metaflow: METAFLOW_KUBERNETES_NODE_SELECTOR={METADATA_SERVER}=true, or \
             @kubernetes(node_selector=...))"
        );
        return Err(Refused::new(Reason::NoMetadataServer, text));
    }
    Ok(())
}

//! Argo's labels and annotations on a pod, and whether they are true: Argo takes any pod with a Workflow's name in its label for a
//! pod of that Workflow, and any with a node's id in its annotation for that node, whoever created it. Pure.

use namesake_api::names::{
    ARGO_KILL_COMMAND_PREFIX, ARGO_NODE_ID_ANNOTATION, ARGO_NODE_NAME_ANNOTATION,
    ARGO_WORKFLOW_LABEL,
};
use namesake_core::Reason;

use super::GROUP;
use super::nodes::node_id;
use crate::review::Metadata;
use crate::review::refused::Refused;
use crate::review::text::Pairs;

/// Checks Argo's keys on a new pod. `by_argo`: Argo's controller creates it. For a pod that Argo does not create, such as one of a
/// JobSet of a step, returns the Workflow that its label names: that must be one of the pod's own user.
///
/// # Errors
/// Keys by which Argo would take the pod for another Workflow's, or for another node.
pub fn check<'m>(metadata: &'m Metadata<'_>, by_argo: bool) -> Result<Option<&'m str>, Refused> {
    if let Some(key) = keys(metadata).find(|key| key.starts_with(ARGO_KILL_COMMAND_PREFIX)) {
        return Err(refused(
            metadata,
            &format!("{key}, whose command Argo would execute in it"),
        ));
    }
    let label = metadata.label(ARGO_WORKFLOW_LABEL);
    let nodes = [ARGO_NODE_ID_ANNOTATION, ARGO_NODE_NAME_ANNOTATION]
        .map(|key| metadata.annotation(key).or(metadata.label(key)));
    let owner = metadata
        .controller()
        .filter(|o| by_argo && o.api_group() == GROUP);
    let workflow = match owner {
        Some(owner) if owner.kind.as_str() == "Workflow" => owner.name.as_str(),
        Some(owner) if owner.kind.as_str() == "WorkflowArtifactGCTask" => {
            let of = workflow_of_collector(&owner.name).unwrap_or_default();
            return check_no_node(metadata, nodes).and_then(|()| check_label(metadata, label, of));
        }
        _ => return check_no_node(metadata, nodes).map(|()| label),
    };
    let is_node = match nodes {
        [Some(id), Some(name)] => {
            metadata.label(ARGO_NODE_ID_ANNOTATION).is_none()
                && metadata.label(ARGO_NODE_NAME_ANNOTATION).is_none()
                && id == node_id(workflow, name)
        }
        // The agent is not a node.
        [None, None] => true,
        _ => false,
    };
    if !is_node {
        return Err(refused(
            metadata,
            &format!(
                "{ARGO_NODE_ID_ANNOTATION} or {ARGO_NODE_NAME_ANNOTATION}, which do not name one node of Workflow {workflow}"
            ),
        ));
    }
    check_label(metadata, label, workflow)
}

fn check_label<'m>(
    metadata: &Metadata<'_>,
    label: Option<&str>,
    workflow: &str,
) -> Result<Option<&'m str>, Refused> {
    if label == Some(workflow) {
        return Ok(None);
    }
    let named = label.unwrap_or_default();
    Err(refused(
        metadata,
        &format!("{ARGO_WORKFLOW_LABEL}={named}, but it belongs to Workflow {workflow:?}"),
    ))
}

fn check_no_node(metadata: &Metadata<'_>, nodes: [Option<&str>; 2]) -> Result<(), Refused> {
    if nodes == [None, None] {
        return Ok(());
    }
    let text = format!(
        "{ARGO_NODE_ID_ANNOTATION} or {ARGO_NODE_NAME_ANNOTATION}, but it is not a node of a Workflow"
    );
    Err(refused(metadata, &text))
}

fn keys<'m>(metadata: &'m Metadata<'_>) -> impl Iterator<Item = &'m str> {
    let maps = [&metadata.annotations, &metadata.labels];
    maps.into_iter().flatten().flat_map(Pairs::keys)
}

// The Workflow of a task that collects artifacts: WORKFLOW-artgc-STRATEGY-HASH-NUMBER.
fn workflow_of_collector(task: &str) -> Option<&str> {
    let numbered = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (rest, number) = task.rsplit_once('-')?;
    let (rest, hash) = rest.rsplit_once('-')?;
    let (rest, strategy) = rest.rsplit_once('-')?;
    let is_strategy = matches!(strategy, "wfcomp" | "wfdel");
    let of = rest.strip_suffix("-artgc")?;
    (numbered(number) && numbered(hash) && is_strategy).then_some(of)
}

/// The refusal of a pod with the label of a Workflow that does not run as the pod's user.
#[must_use]
pub fn not_of_its_user(metadata: &Metadata<'_>, workflow: &str) -> Refused {
    let what =
        format!("{ARGO_WORKFLOW_LABEL}={workflow}, but no Workflow of that name runs as its user");
    refused(metadata, &what)
}

fn refused(metadata: &Metadata<'_>, what: &str) -> Refused {
    let names = [&metadata.name, &metadata.generate_name];
    let name = names.into_iter().flatten().next();
    Refused::new(
        Reason::ForgedController,
        format!(
            "pod {} has {what}: Argo would take it for a pod of that Workflow, or obey it; remove the key from podMetadata, from \
             the metadata of the template, or from the pod, also where it comes from parameters",
            name.map_or("", |name| name.as_str())
        ),
    )
}

#[cfg(test)]
mod tests;

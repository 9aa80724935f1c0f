//! What of Argo's stands on a pod, and whether that is true: Argo takes any pod with a Workflow's name in its label for a
//! pod of that Workflow, and with a node's id in its annotation for that node, whoever made it. Pure.

use super::GROUP;
use super::nodes::{KILL_COMMAND, NODE_ID, NODE_NAME, WORKFLOW_LABEL, node_id};
use crate::review::reason::RefusalReason;
use crate::review::text::Pairs;
use crate::review::verdict::Refused;
use crate::review::{Metadata, Owner};

/// Checks what of Argo's stands on a new pod. `by_argo`: Argo's controller makes it. Returns the Workflow that the label of
/// a pod names that Argo does not make, as the pods of a JobSet of a step have it: it must be one of the pod's own user.
///
/// # Errors
/// Keys by which Argo would take the pod for another Workflow's, or for another node.
pub fn check<'m>(metadata: &'m Metadata<'_>, by_argo: bool) -> Result<Option<&'m str>, Refused> {
    if let Some(key) = keys(metadata).find(|key| key.starts_with(KILL_COMMAND)) {
        return Err(refused(
            metadata,
            &format!("{key}, whose command Argo would execute in it"),
        ));
    }
    let label = metadata.label(WORKFLOW_LABEL);
    let nodes = [NODE_ID, NODE_NAME].map(|key| metadata.annotation(key).or(metadata.label(key)));
    let owner = metadata.controller().filter(|_| by_argo);
    let workflow = match owner.filter(|o| is_argos(o)) {
        Some(owner) if owner.kind.as_str() == "Workflow" => owner.name.as_str(),
        Some(owner) if owner.kind.as_str() == "WorkflowArtifactGCTask" => {
            let of = of_collector(&owner.name).unwrap_or_default();
            return not_a_node(metadata, nodes).and_then(|()| names(metadata, label, of));
        }
        _ => return not_a_node(metadata, nodes).map(|()| label),
    };
    let is_node = match nodes {
        [Some(id), Some(name)] => {
            metadata.label(NODE_ID).is_none()
                && metadata.label(NODE_NAME).is_none()
                && id == node_id(workflow, name)
        }
        // The agent is not a node.
        [None, None] => true,
        _ => false,
    };
    if !is_node {
        return Err(refused(
            metadata,
            &format!("{NODE_ID} or {NODE_NAME}, which do not name one node of Workflow {workflow}"),
        ));
    }
    names(metadata, label, workflow)
}

fn names<'m>(
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
        &format!("{WORKFLOW_LABEL}={named}, but it belongs to Workflow {workflow:?}"),
    ))
}

fn not_a_node(metadata: &Metadata<'_>, nodes: [Option<&str>; 2]) -> Result<(), Refused> {
    if nodes == [None, None] {
        return Ok(());
    }
    let text = format!("{NODE_ID} or {NODE_NAME}, but it is not a node of a Workflow");
    Err(refused(metadata, &text))
}

fn keys<'m>(metadata: &'m Metadata<'_>) -> impl Iterator<Item = &'m str> {
    let maps = [&metadata.annotations, &metadata.labels];
    maps.into_iter().flatten().flat_map(Pairs::keys)
}

fn is_argos(owner: &Owner<'_>) -> bool {
    owner.api_version.split_once('/').map(|(group, _)| group) == Some(GROUP)
}

// The Workflow of a task that collects artifacts: WORKFLOW-artgc-STRATEGY-HASH-NUMBER.
fn of_collector(task: &str) -> Option<&str> {
    let numbered = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (rest, number) = task.rsplit_once('-')?;
    let (rest, hash) = rest.rsplit_once('-')?;
    let (rest, strategy) = rest.rsplit_once('-')?;
    let is_strategy = matches!(strategy, "wfcomp" | "wfdel");
    let of = rest.strip_suffix("-artgc")?;
    (numbered(number) && numbered(hash) && is_strategy).then_some(of)
}

/// The refusal of a pod that is labelled as one of a Workflow which does not run as the pod's user.
#[must_use]
pub fn not_its_users(metadata: &Metadata<'_>, workflow: &str) -> Refused {
    let what =
        format!("{WORKFLOW_LABEL}={workflow}, but no Workflow of that name runs as its user");
    refused(metadata, &what)
}

fn refused(metadata: &Metadata<'_>, what: &str) -> Refused {
    let names = [&metadata.name, &metadata.generate_name];
    let name = names.into_iter().flatten().next();
    Refused::forbidden(
        RefusalReason::PlantedPod,
        format!(
            "pod {} has {what}: Argo would take it for a pod of that Workflow, or obey it; take the key out of podMetadata, of \
             the metadata of the template, or of the pod, also where it is made of parameters",
            name.map_or("", |name| name.as_str())
        ),
    )
}

#[cfg(test)]
mod tests;

//! Argo knows the pods, results and nodes of a Workflow by its name, not by its UID: what an earlier Workflow of the same
//! name left behind would be taken for the new one's, and its outcome and outputs with it.

use kube::api::ListParams;
use kube::core::Request as Path;
use namesake_core::{Launcher, User};
use serde::Deserialize;

use super::Asked;
use super::fetch::{fetch, named, unread};
use crate::decide::argo::nodes::WORKFLOW_LABEL;
use crate::decide::argo::object::Object as Whole;
use crate::decide::argo::{GROUP, runs_as};
use crate::decide::who;
use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;

/// What Argo finds by the name of a Workflow, and outputs or outcomes come from.
const FOUND_BY_NAME: [(&str, &str); 2] = [
    ("/api/v1", "pods"),
    ("/apis/argoproj.io/v1alpha1", "workflowtaskresults"),
];

/// Checks the name that a new Workflow is given by whoever asks; one that the API server makes has never been there.
/// `user`: whom it will run as, as far as that is known.
///
/// # Errors
/// Something of an earlier Workflow of this name is there, or another's Workflow has a node of this id.
pub(super) async fn check(asked: &Asked<'_, '_>, user: Option<&User>) -> Result<(), Refused> {
    let name = asked.object.metadata.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Ok(());
    }
    for (api, plural) in FOUND_BY_NAME {
        if let Some(left) = first(asked, api, plural, name).await? {
            return Err(left_behind(name, plural, &left));
        }
    }
    let asks = who::requester(&asked.request.user_info);
    let by_argo = who::is_carrier(asked.context, &asks, Launcher::Workflow);
    match of_node(name).filter(|_| !by_argo) {
        Some(workflow) => node_of_another(asked, name, workflow, user).await,
        None => Ok(()),
    }
}

// The Workflow one of whose nodes may have this id.
fn of_node(name: &str) -> Option<&str> {
    let (workflow, hash) = name.rsplit_once('-')?;
    hash.parse::<u32>().ok().map(|_| workflow)
}

async fn node_of_another(
    asked: &Asked<'_, '_>,
    name: &str,
    workflow: &str,
    user: Option<&User>,
) -> Result<(), Refused> {
    let (context, namespace) = (asked.context, asked.request.namespace.as_str());
    let Some(text) = fetch(
        asked.state,
        namespace,
        "workflows",
        workflow,
        asked.deadline,
    )
    .await?
    else {
        return Ok(());
    };
    let other: Whole<'_> =
        serde_json::from_str(&text).map_err(|error| unread(workflow, &error.to_string()))?;
    let stamp = named("Workflow").and_then(|kind| other.stamp(context, namespace, kind));
    let stamp = stamp.and_then(Result::ok);
    let runs_as = stamp.as_ref().and_then(runs_as);
    if user.is_some() && runs_as == user {
        return Ok(());
    }
    Err(Refused::forbidden(
        RefusalReason::NameOfANode,
        format!(
            "Workflow {name} of {} is called like a node of Workflow {workflow}, which belongs to somebody else: Argo would take \
             its pod for that node's; create it under another name",
            asked.request.user_info.username
        ),
    ))
}

#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    items: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

// The first object that is labelled with the Workflow's name.
async fn first(
    asked: &Asked<'_, '_>,
    api: &str,
    plural: &str,
    workflow: &str,
) -> Result<Option<String>, Refused> {
    let Some(client) = asked.state.cluster() else {
        return Err(unread(workflow, "the API server is not known here"));
    };
    let path = format!("{api}/namespaces/{}/{plural}", asked.request.namespace);
    let selector = format!("{WORKFLOW_LABEL}={workflow}");
    let list = Path::new(path).list(&ListParams::default().labels(&selector).limit(1));
    let list = list.map_err(|error| unread(workflow, &error.to_string()))?;
    let answer = tokio::time::timeout_at(asked.deadline.into(), client.request::<Names>(list));
    match answer.await {
        Ok(Ok(names)) => Ok(names.items.into_iter().next().map(|n| n.metadata.name)),
        // Argo is not installed, or this name is not one that a label can have: then no pod has it either.
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 400 | 404) => Ok(None),
        Ok(Err(error)) => Err(unread(plural, &error.to_string())),
        Err(_) => Err(unread(plural, "the API server did not answer in time")),
    }
}

fn left_behind(name: &str, plural: &str, left: &str) -> Refused {
    Refused::later(
        RefusalReason::LeftBehind,
        format!(
            "{plural} {left} of {GROUP} is left of an earlier Workflow {name}, and Argo would take it for the new one's, whoever's it \
             was: wait until it is gone, delete it, or create the Workflow under another name"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_node_names_its_workflow() {
        assert_eq!(of_node("bobs-run-3058788005"), Some("bobs-run"));
        assert_eq!(of_node("bobs-run-5000000000"), None);
        for other in ["bobs-run", "bobs-run-x1", "bobsrun", "bobs-run-"] {
            assert_eq!(of_node(other), None, "{other}");
        }
    }
}

//! Argo identifies the pods, results and nodes of a Workflow by its name, not by its UID: it would take those of an earlier
//! Workflow of the same name for the new one's, and their outcome and outputs with them.

use namesake_api::names::ARGO_WORKFLOW_LABEL;
use namesake_core::{Reason, User};

use super::fetch::{first_with_label, workflow};
use super::pod::is_argo;
use crate::admit::admission::Admission;
use crate::decide::argo::runs_as;
use crate::review::refused::Refused;

/// The objects that Argo finds by the name of a Workflow, and takes outputs or outcomes from.
const FOUND_BY_NAME: [(&str, &str); 2] = [
    ("/api/v1", "pods"),
    ("/apis/argoproj.io/v1alpha1", "workflowtaskresults"),
];

/// Checks the name that the requester gives to a new Workflow; one that the API server generates is new. `user`: as whom it will
/// run, as far as that is known.
///
/// # Errors
/// Something of an earlier Workflow of this name exists, or another user's Workflow has a node with this id.
pub(super) async fn check(admission: &Admission<'_>, user: Option<&User>) -> Result<(), Refused> {
    let name = admission.object.metadata.name.as_deref();
    let name = name.unwrap_or_default();
    if name.is_empty() {
        return Ok(());
    }
    let label = format!("{ARGO_WORKFLOW_LABEL}={name}");
    for resource in FOUND_BY_NAME {
        if let Some(left) = first_with_label(admission, resource, &label).await? {
            return Err(still_in_use(name, resource.1, &left));
        }
    }
    match workflow_of_node(name).filter(|_| !is_argo(admission)) {
        Some(other) => check_node(admission, (name, other), user).await,
        None => Ok(()),
    }
}

// The Workflow one of whose nodes may have this id.
fn workflow_of_node(id: &str) -> Option<&str> {
    let (workflow, hash) = id.rsplit_once('-')?;
    hash.parse::<u32>().ok().map(|_| workflow)
}

async fn check_node(
    admission: &Admission<'_>,
    (name, other): (&str, &str),
    user: Option<&User>,
) -> Result<(), Refused> {
    let Some(found) = workflow(admission, other).await? else {
        return Ok(());
    };
    found.object()?;
    let stamp = found.stamp_and_spec(admission).map(|(stamp, _)| stamp);
    if user.is_some() && stamp.as_ref().and_then(runs_as) == user {
        return Ok(());
    }
    Err(Refused::new(
        Reason::NodeNameCollision,
        format!(
            "Workflow {name} of {} has the name of a node of Workflow {other}, which belongs to somebody else: Argo would take its pod \
             for that node's; create it with another name",
            admission.request.user_info.username
        ),
    ))
}

fn still_in_use(name: &str, plural: &str, left: &str) -> Refused {
    Refused::new(
        Reason::NameStillInUse,
        format!(
            "{plural} {left} of an earlier Workflow {name} still exists, and Argo would take it for the new one's, whoever it belonged \
             to: wait until it is deleted, delete it, or create the Workflow with another name"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_node_names_its_workflow() {
        assert_eq!(workflow_of_node("bobs-run-3058788005"), Some("bobs-run"));
        assert_eq!(workflow_of_node("bobs-run-5000000000"), None);
        for other in ["bobs-run", "bobs-run-x1", "bobsrun", "bobs-run-"] {
            assert_eq!(workflow_of_node(other), None, "{other}");
        }
    }
}

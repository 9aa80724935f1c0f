//! Pods of Argo, and Argo's labels and annotations on any pod.

use namesake_core::{Launcher, Reason, User};

use super::fetch::{unreadable, workflow};
use crate::admit::admission::Admission;
use crate::decide::argo::{AGENT, pod_keys};
use crate::decide::who::{self, ParentReference, Principal};
use crate::review::Object;
use crate::review::refused::Refused;

/// The principal of a pod that Argo creates for a Workflow.
pub(in crate::admit) async fn principal_of_pod(
    admission: &Admission<'_>,
    reference: &ParentReference<'_>,
) -> Result<Principal, Refused> {
    let owner = reference.owner;
    let found = workflow(admission, &owner.name).await?;
    let found = found.ok_or_else(|| unreadable(&owner.name, "it does not exist"))?;
    if found.object()?.metadata.uid.as_deref() != Some(owner.uid.as_str()) {
        return Err(unreadable(
            &owner.name,
            "it is another one of the same name",
        ));
    }
    found.principal_of_pods(admission)
}

/// Checks that Argo would not take a pod for another Workflow's, or for another node. `user` is the user of the pod.
pub(in crate::admit) async fn check_keys(
    admission: &Admission<'_>,
    user: Option<&User>,
) -> Result<(), Refused> {
    let metadata = &admission.object.metadata;
    let Some(name) = pod_keys::check(metadata, is_argo(admission))? else {
        return Ok(());
    };
    let Some(found) = workflow(admission, name).await? else {
        return Err(pod_keys::not_of_its_user(metadata, name));
    };
    let principal = found.principal_of_pods(admission)?;
    if user.is_some() && principal.user() == user {
        return Ok(());
    }
    Err(pod_keys::not_of_its_user(metadata, name))
}

/// Refuses an identity to Argo's agent: it sends requests for anybody who can write a WorkflowTaskSet.
pub(in crate::admit) fn check_agent(
    pod: &Object<'_>,
    principal: &Principal,
) -> Result<(), Refused> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if principal.launcher != Launcher::Workflow || !name.ends_with(AGENT) {
        return Ok(());
    }
    Err(Refused::new(
        Reason::AgentPod,
        format!(
            "{name} is Argo's agent, which sends the requests of http and plugin templates for anybody who can write its \
             WorkflowTaskSet, so it does not get the identity of {}: send the requests from a container",
            principal.requester
        ),
    ))
}

/// Whether the requester is Argo's controller.
pub(super) fn is_argo(admission: &Admission<'_>) -> bool {
    let requester = who::requester(&admission.request.user_info);
    who::is_carrier(admission.context, &requester, Launcher::Workflow)
}

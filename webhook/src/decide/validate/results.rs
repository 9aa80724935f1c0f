//! Checks who writes the results of Argo's steps, because these become part of what the next steps run.

use namesake_api::names::{ARGO_WORKFLOW_LABEL, RESULT_POD_ANNOTATION};
use namesake_core::Reason;

use crate::decide::validate::guarded::{RunningPod, WorkflowOfPod};
use crate::review::refused::Refused;
use crate::review::{Metadata, OwnerReference, UserInfo};

/// Checks who creates a WorkflowTaskResult: the pod of the step whose result it is. `pod` is the pod that the requester's
/// credential was issued to. Its UID has been written into the result, so that only this pod can change it later.
///
/// # Errors
/// The requester is not that pod, or the result is another step's.
pub fn check_result(
    info: &UserInfo<'_>,
    namespace: &str,
    object: &Metadata<'_>,
    pod: Option<&RunningPod>,
) -> Result<(), Refused> {
    let name = object.name.as_deref().unwrap_or_default();
    let label = object.label(ARGO_WORKFLOW_LABEL).unwrap_or_default();
    let of = format!("workflowtaskresult {name} of workflow {label:?}");
    let pod = own_pod(info, namespace, pod).ok_or_else(|| not_its_pod(&of, info))?;
    let workflow = pod.workflow.as_ref().filter(|w| w.name == label);
    let Some(workflow) = workflow.filter(|_| pod.node.as_deref() == Some(name)) else {
        let step = pod.node.as_deref().unwrap_or("none");
        let flow = pod.workflow.as_ref().map_or("none", |w| w.name.as_str());
        return Err(not_your_step(format!(
            "{of}: pod {} of {} is step {step} of workflow {flow}, and may write that step's result only: run a Workflow \
                 of your own",
            pod.name, info.username
        )));
    };
    let mut owners = object.owner_references.iter().flatten().peekable();
    let is_owned = owners.peek().is_some() && owners.all(|o| owns_result(o, workflow, pod));
    if is_owned && object.annotation(RESULT_POD_ANNOTATION) == Some(&pod.uid) {
        return Ok(());
    }
    Err(not_your_step(format!(
        "{of} is not owned by that Workflow or by its pod {} alone, or does not name that pod in its annotation \
             {RESULT_POD_ANNOTATION}, which Namesake writes: let Argo's executor write it",
        pod.name
    )))
}

// The Workflow since Argo 3.5.2; before, the pod, with two spellings of its kind.
fn owns_result(owner: &OwnerReference<'_>, workflow: &WorkflowOfPod, pod: &RunningPod) -> bool {
    match (owner.api_group(), owner.kind.as_str()) {
        ("argoproj.io", "Workflow") => {
            owner.uid.as_str() == workflow.uid && owner.name.as_str() == workflow.name
        }
        ("", "Pod" | "pods") => owner.uid.as_str() == pod.uid,
        _ => false,
    }
}

/// Checks who writes the status of a WorkflowTaskSet: a pod of the Workflow of that name.
///
/// # Errors
/// The requester is not such a pod.
pub fn check_task_set_status(
    info: &UserInfo<'_>,
    namespace: &str,
    object: &Metadata<'_>,
    pod: Option<&RunningPod>,
) -> Result<(), Refused> {
    let name = object.name.as_deref().unwrap_or_default();
    let of = format!("status of workflowtaskset {name}");
    let pod = own_pod(info, namespace, pod)
        .filter(|pod| pod.workflow.as_ref().is_some_and(|w| w.name == name));
    pod.map(|_| ()).ok_or_else(|| not_its_pod(&of, info))
}

/// The refusal of a WorkflowTaskSet that is not written by Argo's controller.
#[must_use]
pub fn foreign_task_set(info: &UserInfo<'_>, object: &Metadata<'_>) -> Refused {
    let name = object.name.as_deref().unwrap_or_default();
    not_your_step(format!(
        "workflowtaskset {name} says what the agent of workflow {name} runs, and only Argo's controller, a carrier of the \
             rules, may write it, not {}: run a Workflow of your own",
        info.username
    ))
}

// The requesting pod: the credential was issued to this very pod, of this account, in this namespace.
fn own_pod<'p>(
    info: &UserInfo<'_>,
    namespace: &str,
    pod: Option<&'p RunningPod>,
) -> Option<&'p RunningPod> {
    let (name, uid) = info.pod()?;
    let account = info.username.strip_prefix("system:serviceaccount:")?;
    let (home, account) = account.split_once(':')?;
    pod.filter(|pod| {
        home == namespace && pod.name == name && pod.uid == uid && pod.service_account == account
    })
}

fn not_its_pod(of: &str, info: &UserInfo<'_>) -> Refused {
    not_your_step(format!(
        "{of} becomes part of what the next steps run, and only the step's own pod may write it, with the token that it was \
             issued, not {}: run a Workflow of your own",
        info.username
    ))
}

fn not_your_step(message: String) -> Refused {
    Refused::new(Reason::NotYourStep, message)
}

#[cfg(test)]
mod tests;

//! Guards of what runs: who enters a pod is its user to Google, and what an Argo step is fed with becomes part of it. Pure:
//! the pod and its Identity are arguments.

use namesake_core::{User, is_managed_name};
use serde::Deserialize;

use crate::reason::RefusalReason;
use crate::review::{Metadata, UserInfo};
use crate::state::Known;
use crate::text::{objects_only, or_default};
use crate::verdict::Refused;

/// Label on a WorkflowTaskResult: name of the Workflow that reads it.
const WORKFLOW_LABEL: &str = "workflows.argoproj.io/workflow";

/// The part of a guarded object that is read; options of `exec` and the like have none of it.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self")]
pub struct Guarded<'a> {
    /// Metadata.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
}

objects_only!(Guarded);

/// What there is to know about a running pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningPod {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// KSA that it runs as: says whose it is, as its own labels and annotations do not.
    pub service_account: String,
    /// Name of the Workflow whose controller made it.
    pub workflow: Option<String>,
    /// Node of that Workflow that it is.
    pub node: Option<String>,
}

/// Checks who enters a pod; `known` is the Identity of its KSA, `user` whoever asks, if that is a user. `kept`: its KSA
/// is only for whom a rule gives it to, and whether that is whoever asks.
///
/// # Errors
/// A pod of a managed KSA, and somebody else; one of a KSA that a rule gives, and somebody to whom none does.
pub fn enter(
    what: &str,
    requester: &str,
    user: Option<&User>,
    pod: &RunningPod,
    known: Option<&Known>,
    kept: Option<bool>,
) -> Result<(), Refused> {
    let account = &pod.service_account;
    if !is_managed_name(account) {
        return if kept == Some(false) {
            Err(not_given(what, requester, pod))
        } else {
            Ok(())
        };
    }
    let owner = known
        .map(|known| known.user.as_str())
        .filter(|owner| !owner.is_empty());
    if owner.is_some() && owner == user.map(User::as_str) {
        return Ok(());
    }
    let whose = owner.map_or_else(
        || "no single user's".to_owned(),
        |owner| format!("{owner}'s"),
    );
    Err(Refused::forbidden(
        RefusalReason::NotYourPod,
        format!(
            "pod {} runs as service account {account}, which is {whose}: whoever is in it is that identity, so {requester} \
             may not use {what} on it: ask its user or an admin, or run a pod of your own",
            pod.name
        ),
    ))
}

fn not_given(what: &str, requester: &str, pod: &RunningPod) -> Refused {
    Refused::forbidden(
        RefusalReason::NotYourPod,
        format!(
            "pod {} runs as service account {}, which a rule gives to some: whoever is in it is that account, and no rule \
             gives it to {requester}, who may not use {what} on it: ask an admin, or run a pod of your own",
            pod.name, pod.service_account
        ),
    )
}

/// Checks who creates a WorkflowTaskResult: the pod of the step that it is the result of. `pod` is the pod that the
/// requester's credential was given to.
///
/// # Errors
/// Anybody else, and another step's result.
pub fn result(
    info: &UserInfo<'_>,
    namespace: &str,
    object: &Metadata<'_>,
    pod: Option<&RunningPod>,
) -> Result<(), Refused> {
    let name = object.name.as_deref().unwrap_or_default();
    let workflow = object.label(WORKFLOW_LABEL).unwrap_or_default();
    let of = format!("workflowtaskresult {name} of workflow {workflow:?}");
    let pod = own_pod(info, namespace, pod).ok_or_else(|| not_its_pod(&of, info))?;
    let is_its_step =
        pod.workflow.as_deref() == Some(workflow) && pod.node.as_deref() == Some(name);
    if !is_its_step {
        let step = pod.node.as_deref().unwrap_or("none");
        let flow = pod.workflow.as_deref().unwrap_or("none");
        return Err(Refused::forbidden(
            RefusalReason::NotYourStep,
            format!(
                "{of}: pod {} of {} is step {step} of workflow {flow}, and writes that step's result only: run a Workflow of \
                 your own",
                pod.name, info.username
            ),
        ));
    }
    let mut owners = object.owner_references.iter().flatten();
    if owners.any(|o| o.kind.as_str() == "Pod" && o.uid.as_str() == pod.uid) {
        return Ok(());
    }
    Err(Refused::forbidden(
        RefusalReason::NotYourStep,
        format!(
            "{of} does not name its pod {} as its owner, by which its later changes are checked: let Argo's executor write it",
            pod.name
        ),
    ))
}

/// Checks who writes the status of a WorkflowTaskSet: a pod of the Workflow of that name.
///
/// # Errors
/// Anybody else.
pub fn task_set_status(
    info: &UserInfo<'_>,
    namespace: &str,
    object: &Metadata<'_>,
    pod: Option<&RunningPod>,
) -> Result<(), Refused> {
    let name = object.name.as_deref().unwrap_or_default();
    let of = format!("status of workflowtaskset {name}");
    let pod = own_pod(info, namespace, pod).filter(|pod| pod.workflow.as_deref() == Some(name));
    pod.map(|_| ()).ok_or_else(|| not_its_pod(&of, info))
}

/// Who else writes a WorkflowTaskSet than Argo's controller: nobody.
#[must_use]
pub fn task_set(info: &UserInfo<'_>, object: &Metadata<'_>) -> Refused {
    let name = object.name.as_deref().unwrap_or_default();
    Refused::forbidden(
        RefusalReason::NotYourStep,
        format!(
            "workflowtaskset {name} says what the agent of workflow {name} runs, and only Argo's controller, a carrier of the \
             rules, may write it, not {}: run a Workflow of your own",
            info.username
        ),
    )
}

// The pod that asks: its credential was given to this very pod, of this account, here.
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
    Refused::forbidden(
        RefusalReason::NotYourStep,
        format!(
            "{of} becomes part of what the next steps run, and only the step's own pod writes it, with the token that it was \
             given, not {}: run a Workflow of your own",
            info.username
        ),
    )
}

#[cfg(test)]
mod tests;

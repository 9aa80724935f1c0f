//! Guards of what runs: who enters a pod is its user to Google, and what an Argo step is fed with becomes part of it. Pure:
//! the pod and its Identity are arguments.

use namesake_api::names::RESULT_POD_ANNOTATION;
use namesake_core::{Text, User, is_managed_name};
use serde::Deserialize;

pub mod adoption;

use crate::decide::argo::nodes::WORKFLOW_LABEL;
use crate::decide::known::KnownIdentity;
use crate::review::reason::RefusalReason;
use crate::review::text::{objects_only, or_default};
use crate::review::verdict::Refused;
use crate::review::{Metadata, Owner, UserInfo};

/// SIGTERM and SIGKILL, which Argo sends.
const SIGNALS: [&str; 2] = ["15", "9"];
/// How Argo's executor is called in a container: by its name where it is the image's own, by its path where it was copied.
const EXECUTORS: [&str; 2] = ["argoexec", "/var/run/argo/argoexec"];

/// The part of a guarded object that is read: metadata of an object, or the options of `exec`.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self")]
pub struct Guarded<'a> {
    /// Metadata.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
    /// What is executed.
    #[serde(borrow, default)]
    pub command: Option<Vec<Text<'a>>>,
    /// Whether it reads what the requester writes.
    #[serde(default)]
    pub stdin: Option<bool>,
    /// Whether it has a terminal.
    #[serde(default)]
    pub tty: Option<bool>,
    /// Spec, of a pod.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub spec: Account<'a>,
}

/// The account in a pod's spec.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Account<'a> {
    #[serde(borrow, default)]
    service_account_name: Option<Text<'a>>,
}

impl Guarded<'_> {
    /// The KSA that a pod names.
    #[must_use]
    pub fn account(&self) -> &str {
        self.spec
            .service_account_name
            .as_deref()
            .unwrap_or_default()
    }
}

objects_only!(Guarded, Account);

/// The pod in the name of a CONNECT request. The API server's proxy takes `[SCHEME:]NAME[:PORT]`, as
/// `k8s.io/apimachinery/pkg/util/net.SplitSchemeNamePort` reads it; the others take a name.
#[must_use]
pub fn entered<'n>(sub_resource: &str, name: &'n str) -> &'n str {
    if sub_resource != "proxy" {
        return name;
    }
    let parts: Vec<&str> = name.split(':').collect();
    match parts[..] {
        [pod, _] | ["" | "http" | "https", pod, _] => pod,
        // One that it does not read is no pod's.
        _ => name,
    }
}

/// What there is to know about a running pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningPod {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// KSA that it runs as: says whose it is, as its own labels and annotations do not.
    pub service_account: String,
    /// The Workflow that is its controller.
    pub workflow: Option<WorkflowOfPod>,
    /// Node of that Workflow that it is.
    pub node: Option<String>,
}

/// A Workflow, as the owner reference of one of its pods names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowOfPod {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

/// Whether this is how Argo's controller stops a container: a signal to its first process, and nothing else. What the
/// annotations `kill-cmd-…` of a pod say is not.
#[must_use]
pub fn is_kill_command(options: &Guarded<'_>) -> bool {
    let command: Vec<&str> = options.command.iter().flatten().map(Text::as_str).collect();
    let interactive = options.stdin == Some(true) || options.tty == Some(true);
    !interactive
        && match command[..] {
            [executor, "kill", signal, "1"] => {
                EXECUTORS.contains(&executor) && SIGNALS.contains(&signal)
            }
            ["/bin/sh", "-c", text] => SIGNALS.iter().any(|s| text == format!("kill -{s} 1")),
            _ => false,
        }
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
    known: Option<&KnownIdentity>,
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
/// requester's credential was given to. Its UID has been written into the result, so that only it changes that later.
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
    let label = object.label(WORKFLOW_LABEL).unwrap_or_default();
    let of = format!("workflowtaskresult {name} of workflow {label:?}");
    let pod = own_pod(info, namespace, pod).ok_or_else(|| not_its_pod(&of, info))?;
    let workflow = pod.workflow.as_ref().filter(|w| w.name == label);
    let Some(workflow) = workflow.filter(|_| pod.node.as_deref() == Some(name)) else {
        let step = pod.node.as_deref().unwrap_or("none");
        let flow = pod.workflow.as_ref().map_or("none", |w| w.name.as_str());
        return Err(Refused::forbidden(
            RefusalReason::NotYourStep,
            format!(
                "{of}: pod {} of {} is step {step} of workflow {flow}, and writes that step's result only: run a Workflow of \
                 your own",
                pod.name, info.username
            ),
        ));
    };
    let mut owners = object.owner_references.iter().flatten().peekable();
    let is_owned = owners.peek().is_some() && owners.all(|o| owns_result(o, workflow, pod));
    if is_owned && object.annotation(RESULT_POD_ANNOTATION) == Some(&pod.uid) {
        return Ok(());
    }
    Err(Refused::forbidden(
        RefusalReason::NotYourStep,
        format!(
            "{of} is not owned by that Workflow or by its pod {} alone, or does not name that pod in its annotation \
             {RESULT_POD_ANNOTATION}, which Namesake writes: let Argo's executor write it",
            pod.name
        ),
    ))
}

// The Workflow since Argo 3.5.2, the pod (by two spellings) before.
fn owns_result(owner: &Owner<'_>, workflow: &WorkflowOfPod, pod: &RunningPod) -> bool {
    let (group, kind) = (owner.api_version.split_once('/'), owner.kind.as_str());
    match (group.map_or("", |(group, _)| group), kind) {
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
/// Anybody else.
pub fn task_set_status(
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

//! Forged objects: not created by a controller, but such that the controller would take them for its own.

use namesake_api::names::ARGO_WORKFLOW_LABEL;
use namesake_core::{Json, Launcher, Reason};

use crate::decide::kinds::{self, Kind, Template};
use crate::review::Metadata;
use crate::review::refused::Refused;

use super::ParentReference;

/// Refuses labels and annotations by which a controller would adopt this object, which it did not create. `is_controller`:
/// whether the requester is the one for parents of a launcher, as Argo's is when it creates a pod that collects artifacts.
///
/// # Errors
/// When the object has one.
pub fn check_keys(
    kind: &Kind,
    metadata: &Metadata<'_>,
    requester: &str,
    is_controller: impl Fn(Launcher) -> bool,
) -> Result<(), Refused> {
    // Services and log readers select pods by the keys of any kind; other objects are selected by their own controller only.
    let selects = |creates: Option<&str>| kind.kind == "Pod" || creates == Some(kind.name);
    let parents =
        kinds::parents().filter(|(_, p)| selects(p.creates) && !is_controller(p.launcher));
    let mut keys = parents.flat_map(|(kind, p)| p.adopts_by.iter().map(move |key| (kind, *key)));
    let found = keys.find_map(|(kind, key)| {
        let label = metadata.label(key).map(|_| "label");
        Some((
            kind,
            key,
            label.or(metadata.annotation(key).map(|_| "annotation"))?,
        ))
    });
    found.map_or(Ok(()), |(parent, key, what)| {
        let this = noun(kind);
        Err(forged(format!(
            "this {this} has the {what} {key}, by which the controller of a {} would adopt it, but {requester} is not that \
             controller: remove the {what}, or create a {} of your own",
            parent.name, parent.kind
        )))
    })
}

// The first of the labels by which Jobs find their pods that does not have the UID or the name of its own Job.
fn label_of_other_job<'l>(
    (uid, name): (Option<&str>, Option<&str>),
    label: impl Fn(&str) -> Option<&'l str>,
) -> Option<(&'static str, &'l str)> {
    let own = [
        ("batch.kubernetes.io/controller-uid", uid),
        ("controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
        ("job-name", name),
    ];
    own.into_iter().find_map(|(key, own)| {
        let value = label(key)?;
        (Some(value) != own).then_some((key, value))
    })
}

/// Refuses a pod that a Job's controller creates and whose labels name another Job, which would adopt it as soon as it has lost
/// its own.
///
/// # Errors
/// When a label names another Job.
pub fn check_pod_of_job(
    reference: &ParentReference<'_>,
    pod: &Metadata<'_>,
) -> Result<(), Refused> {
    if reference.kind.name != "batch/Job" {
        return Ok(());
    }
    let owner = reference.owner;
    let own = (Some(owner.uid.as_str()), Some(owner.name.as_str()));
    let found = label_of_other_job(own, |key| pod.label(key));
    found.map_or(Ok(()), |(key, value)| {
        Err(forged(format!(
            "a pod of Job {} has the label {key}: {value}, which selects the pods of another Job: remove the label from the template \
             of the Job",
            owner.name
        )))
    })
}

/// Refuses, in the template of a Job, labels that name another Job. Where the API server chooses the selector of a new Job, it
/// checks them itself; `is_new`: whether the Job is new.
///
/// # Errors
/// When the template has such a label.
pub fn check_job_labels(
    kind: &Kind,
    job: &Metadata<'_>,
    (is_new, spec): (bool, &Json<'_>),
    template: &Template<'_>,
    requester: &str,
) -> Result<(), Refused> {
    let selects = *spec.get("manualSelector") == Json::Bool(true);
    if kind.name != "batch/Job" || (is_new && !selects) {
        return Ok(());
    }
    let own = (job.uid.as_deref(), job.name.as_deref());
    let label = |key: &str| template.labels.get(key).map(AsRef::as_ref);
    let found = label_of_other_job(own, label);
    found.map_or(Ok(()), |(key, value)| {
        Err(forged(format!(
            "the pods of {} would have the label {key}: {value}, by which another Job finds its pods, and {requester} may not \
             set it: remove it; to take over pods of your own, select them by another label",
            template.path
        )))
    })
}

/// Refuses, in a pod template, the keys of controllers that do not create pods from it. A Job's own keys are the API server's,
/// which checks them itself. `workflow` is the Workflow that the object is proven to belong to: stock
/// Metaflow labels the pods of a JobSet with it.
///
/// # Errors
/// When the template has one.
pub fn check_template(
    template: &Template<'_>,
    requester: &str,
    workflow: Option<&str>,
) -> Result<(), Refused> {
    let parents = kinds::parents().filter(|(kind, _)| kind.group != "batch");
    let mut keys = parents.flat_map(|(kind, p)| p.adopts_by.iter().map(move |key| (kind, *key)));
    let has = |key: &str| {
        let label = template.labels.get(key);
        let is_own = || key == ARGO_WORKFLOW_LABEL && label.map(AsRef::as_ref) == workflow;
        template.annotations.contains_key(key) || (label.is_some() && !is_own())
    };
    keys.find(|(_, key)| has(key)).map_or(Ok(()), |(kind, key)| {
        Err(forged(format!(
            "the pods of {} have the key {key}, by which they would pass for pods of a {}, but {requester} is not its \
             controller: remove the key",
            template.path, kind.name
        )))
    })
}

/// The refusal of an object that names another user's parent as its owner.
#[must_use]
pub fn foreign_owner(kind: &Kind, reference: &ParentReference<'_>, requester: &str) -> Refused {
    let (this, owner) = (noun(kind), reference.kind);
    forged(format!(
        "this {this} names {} {} as its owner, but {requester} is not the controller that creates its {this}s: remove the owner \
         reference, or create a {} of your own",
        owner.name, reference.owner.name, owner.kind
    ))
}

fn noun(kind: &Kind) -> &'static str {
    if kind.kind == "Pod" { "pod" } else { kind.kind }
}

fn forged(message: String) -> Refused {
    Refused::new(Reason::ForgedController, message)
}

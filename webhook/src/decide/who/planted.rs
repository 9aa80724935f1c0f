//! Planted objects: made by somebody else than the controller, but so that it would take them for its own.

use namesake_core::{Json, Launcher};

use crate::decide::argo::nodes::WORKFLOW_LABEL;
use crate::decide::kinds::{self, Kind, Template};
use crate::review::Metadata;
use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;

use super::Link;

/// Refuses labels and annotations by which a controller would adopt this object, which it did not make. `is_controller`:
/// whether the requester is the one for parents of a launcher, as Argo's is when it makes a pod that collects artifacts.
///
/// # Errors
/// When the object has one.
pub fn planted_key(
    kind: &Kind,
    metadata: &Metadata<'_>,
    requester: &str,
    is_controller: impl Fn(Launcher) -> bool,
) -> Result<(), Refused> {
    // Services and log readers go by the keys of any kind on pods; on other objects only their own controller looks.
    let looks = |makes: Option<&str>| kind.kind == "Pod" || makes == Some(kind.name);
    let parents = kinds::parents().filter(|(_, p)| looks(p.makes) && !is_controller(p.launcher));
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
        Err(planted(format!(
            "this {this} has the {what} {key}, by which the controller of a {} would adopt it, but {requester} is not that \
             controller: take the {what} away, or create a {} of your own",
            parent.name, parent.kind
        )))
    })
}

/// Labels by which Jobs find their pods, and whether they have the Job's UID or its name.
const JOB_LABELS: [(&str, Names); 4] = [
    ("batch.kubernetes.io/controller-uid", Names::Uid),
    ("controller-uid", Names::Uid),
    ("batch.kubernetes.io/job-name", Names::Name),
    ("job-name", Names::Name),
];

#[derive(Clone, Copy)]
enum Names {
    Uid,
    Name,
}

/// Refuses a pod that a Job's controller makes and whose labels name another Job, which would adopt it as soon as it has lost
/// its own.
///
/// # Errors
/// When a label names another Job.
pub fn names_another_job(link: &Link<'_>, pod: &Metadata<'_>) -> Result<(), Refused> {
    if link.kind.name != "batch/Job" {
        return Ok(());
    }
    let owner = link.owner;
    let found = JOB_LABELS.iter().find_map(|(key, names)| {
        let own = match names {
            Names::Uid => owner.uid.as_str(),
            Names::Name => owner.name.as_str(),
        };
        let value = pod.label(key)?;
        (value != own).then_some((key, value))
    });
    found.map_or(Ok(()), |(key, value)| {
        Err(planted(format!(
            "a pod of Job {} has the label {key}: {value}, which is that of the pods of another Job: take the label out of the \
             template of the Job",
            owner.name
        )))
    })
}

/// Refuses, in the template of a Job, labels that name another Job. Where the API server chooses the selector of a new Job, it
/// checks them itself; `creates`: whether the Job is new.
///
/// # Errors
/// When the template has such a label.
pub fn planted_labels(
    kind: &Kind,
    job: &Metadata<'_>,
    (creates, spec): (bool, &Json<'_>),
    template: &Template<'_>,
    requester: &str,
) -> Result<(), Refused> {
    let selects = *spec.get("manualSelector") == Json::Bool(true);
    if kind.name != "batch/Job" || (creates && !selects) {
        return Ok(());
    }
    let found = JOB_LABELS.iter().find_map(|(key, names)| {
        let own = match names {
            Names::Uid => job.uid.as_deref(),
            Names::Name => job.name.as_deref(),
        };
        let value = template.labels.get(*key)?;
        (Some(&**value) != own).then_some((key, value))
    });
    found.map_or(Ok(()), |(key, value)| {
        Err(planted(format!(
            "the pods of {} would have the label {key}: {value}, by which another Job finds its pods, and {requester} may not \
             write it: take it away; to take over pods of your own, select them by another label",
            template.at
        )))
    })
}

/// Refuses, in a pod template, the keys of controllers that do not make these pods' parent from it. A Job's own keys are
/// the API server's, which checks them itself. `workflow` is the Workflow that the object is proven to belong to: stock
/// Metaflow labels the pods of a JobSet with it.
///
/// # Errors
/// When the template has one.
pub fn planted_template(
    template: &Template<'_>,
    requester: &str,
    workflow: Option<&str>,
) -> Result<(), Refused> {
    let parents = kinds::parents().filter(|(kind, _)| kind.group != "batch");
    let mut keys = parents.flat_map(|(kind, p)| p.adopts_by.iter().map(move |key| (kind, *key)));
    let has = |key: &str| {
        let label = template.labels.get(key);
        let is_own = || key == WORKFLOW_LABEL && label.map(AsRef::as_ref) == workflow;
        template.annotations.contains_key(key) || (label.is_some() && !is_own())
    };
    keys.find(|(_, key)| has(key)).map_or(Ok(()), |(kind, key)| {
        Err(planted(format!(
            "the pods of {} have the key {key}, by which they would pass for those of a {}, but {requester} is not its \
             controller: take the key away",
            template.at, kind.name
        )))
    })
}

/// The refusal of an object that names somebody else's parent as its owner.
#[must_use]
pub fn planted_owner(kind: &Kind, link: &Link<'_>, requester: &str) -> Refused {
    let (this, owner) = (noun(kind), link.kind);
    planted(format!(
        "this {this} names {} {} as its owner, but {requester} is not the controller that makes its {this}s: take the owner \
         reference away, or create a {} of your own",
        owner.name, link.owner.name, owner.kind
    ))
}

fn noun(kind: &Kind) -> &'static str {
    if kind.kind == "Pod" { "pod" } else { kind.kind }
}

fn planted(message: String) -> Refused {
    Refused::forbidden(RefusalReason::PlantedPod, message)
}

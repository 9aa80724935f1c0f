//! The first step of a review: on whose behalf a new object is created.

use namesake_core::{Launcher, Reason, Stamp};

use super::admission::Admission;
use super::argo::pod::principal_of_pod;
use super::find_parent::{FoundParent, Owner, find, find_fresh, find_owner};
use crate::decide::argo;
use crate::decide::kinds::{Parts, Runs};
use crate::decide::who::{self, ParentReference, Principal, Provenance, forged, stamp};
use crate::review::OwnerReference;
use crate::review::refused::Refused;

/// On whose behalf a new object is created.
pub(super) struct Origin {
    pub(super) principal: Principal,
    /// Whether a trusted controller created it from a parent.
    pub(super) is_carried: bool,
    /// The name of a Workflow of the same user that it names as its owner.
    pub(super) workflow: Option<String>,
}

impl Origin {
    fn carried(principal: Principal) -> Self {
        Self {
            principal,
            is_carried: true,
            workflow: None,
        }
    }
}

/// The user of its parent if a trusted controller creates it, otherwise the requester. `parts` is what it would run.
pub(super) async fn origin(
    admission: &Admission<'_>,
    launcher: Launcher,
    parts: Option<&Parts<'_>>,
) -> Result<Origin, Refused> {
    let (kind, metadata) = (admission.kind, &admission.object.metadata);
    let owners = match who::provenance(admission.context, admission.request, kind, metadata) {
        Provenance::Carried(parent)
            if argo::argo_kind(parent.kind) == Some(argo::ArgoKind::Workflow) =>
        {
            let principal = principal_of_pod(admission, &parent).await?;
            return Ok(Origin::carried(principal));
        }
        Provenance::Carried(parent) => {
            let principal = principal_of_parent(admission, &parent, parts).await?;
            if kind.kind == "Pod" {
                forged::check_pod_of_job(&parent, metadata)?;
            }
            return Ok(Origin::carried(principal));
        }
        Provenance::Requested(owners) => owners,
    };
    requested(admission, launcher, owners).await
}

// The origin of what no trusted controller creates.
async fn requested(
    admission: &Admission<'_>,
    launcher: Launcher,
    owners: Vec<&OwnerReference<'_>>,
) -> Result<Origin, Refused> {
    let (context, info) = (admission.context, &admission.request.user_info);
    let (kind, metadata) = (admission.kind, &admission.object.metadata);
    if let Some(Err(refusal)) = &context.acts_for {
        return Err(refusal.clone().into());
    }
    let mut principal = who::requesting(context, info, metadata, launcher);
    let mut workflow = None;
    for owner in owners {
        let Some(own) = own_parent(admission, owner, &principal).await? else {
            continue;
        };
        workflow = own.workflow.or(workflow);
        // What a task pod creates is part of what its user created.
        if context.acts_for.is_some() {
            principal.launcher = own.launcher;
        }
    }
    let requester = who::requester(info);
    let is_controller = |launcher| who::is_carrier(context, &requester, launcher);
    forged::check_keys(kind, metadata, &requester.username, is_controller)?;
    Ok(Origin {
        principal,
        is_carried: false,
        workflow,
    })
}

/// A parent of the requester's own.
struct OwnParent {
    /// Its name, if it is a Workflow.
    workflow: Option<String>,
    /// The launcher of the object that a person created and it comes from.
    launcher: Launcher,
}

// The parent that an owner reference of a new object names; `None` if it is not of a kind that the webhook knows. Refused if it is
// not the requester's own.
async fn own_parent(
    admission: &Admission<'_>,
    owner: &OwnerReference<'_>,
    principal: &Principal,
) -> Result<Option<OwnParent>, Refused> {
    let (state, namespace) = (admission.state, admission.request.namespace.as_str());
    let requester = &admission.request.user_info.username;
    let foreign = |reference: &ParentReference<'_>| {
        forged::foreign_owner(admission.kind, reference, requester)
    };
    let (reference, parent) = match find_owner(state, namespace, owner, admission.deadline).await? {
        Owner::Other => return Ok(None),
        Owner::NoSuchObject(reference) => return Err(foreign(&reference)),
        Owner::Parent(reference, parent) => (reference, parent),
    };
    let is_own = |stamp: &Stamp| {
        let user = argo::runs_as(stamp);
        user.is_some() && user == principal.user()
    };
    let stamp = stamp::of_parent(admission.context, namespace, &reference, &parent);
    let stamp = stamp.ok().filter(is_own);
    let stamp = stamp.ok_or_else(|| foreign(&reference))?;
    let is_workflow = argo::argo_kind(reference.kind) == Some(argo::ArgoKind::Workflow);
    Ok(Some(OwnParent {
        workflow: is_workflow.then(|| parent.name.to_string()),
        launcher: stamp.root.unwrap_or(reference.parent.launcher),
    }))
}

// Memory may be behind what the controller saw, or ahead of it: the parent is read once more before anything is refused for that.
async fn principal_of_parent(
    admission: &Admission<'_>,
    reference: &ParentReference<'_>,
    parts: Option<&Parts<'_>>,
) -> Result<Principal, Refused> {
    let (state, deadline) = (admission.state, admission.deadline);
    let namespace = admission.request.namespace.as_str();
    let shown = match (reference.parent.pods.map(|pods| pods.runs), parts) {
        (Some(Runs::Signed { child, .. }), Some(parts)) => Some(child(parts)),
        _ => None,
    };
    let principal = |found: &FoundParent| {
        let parent = &found.parent;
        stamp::principal_of_parent(
            admission.context,
            namespace,
            reference,
            parent,
            shown.as_ref(),
        )
    };
    let found = find(state, namespace, reference, deadline).await?;
    match principal(&found) {
        Err(refused) if refused.reason == Reason::NotAsSigned && !found.is_fresh => {
            match find_fresh(state, namespace, reference, deadline).await {
                Ok(found) => principal(&found),
                Err(_) => Err(refused),
            }
        }
        answer => answer,
    }
}

//! The user of the pods of a Workflow, and who may change what it runs. Pure.

use namesake_core::{ArgoStamp, Deployer, Launcher, Reason, SealError, Stamp, User};

use super::changes::{STOPS, STOPS_AND_RESUMES, beyond};
use super::object::{ArgoObject, is_as_signed, own_digest, stored_digest};
use super::reference;
use super::retry::is_retry;
use super::{ArgoKind, STORED};
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{Kind, Parts};
use crate::decide::who::{self, Author, Principal, Standing, stamp};
use crate::review::refused::Refused;
use crate::review::{Metadata, Request};
use namesake_core::Json;

/// The standing of the requester to an object of Argo with this stamp.
#[must_use]
pub fn standing(
    context: &AdmissionContext,
    request: &Request<'_>,
    old: &Metadata<'_>,
    stamp: Option<&Stamp>,
) -> Standing {
    let author = Author::of(context, &request.user_info, old, [Launcher::Workflow]);
    author.standing(|author| {
        let Some(stamp) = stamp else {
            return Standing::Other;
        };
        let is_requester = author.is(&stamp.requester, stamp.user.as_ref());
        match &stamp.argo {
            Some(ArgoStamp::Deployed(deployer))
                if author.is(&deployer.requester, deployer.user.as_ref()) =>
            {
                Standing::Owner
            }
            Some(
                ArgoStamp::Deployed(_)
                | ArgoStamp::Unmatched
                | ArgoStamp::Reference { own: None, .. },
            ) if is_requester => Standing::Starter,
            Some(ArgoStamp::Own { .. } | ArgoStamp::Reference { own: Some(_), .. })
                if is_requester =>
            {
                Standing::Owner
            }
            _ => Standing::Other,
        }
    })
}

/// The first change that the author may not make.
#[must_use]
pub fn refused_change(standing: Standing, old: &Parts<'_>, new: &Parts<'_>) -> Option<String> {
    match standing {
        Standing::Carrier | Standing::Updater | Standing::Admin | Standing::Owner => None,
        Standing::Starter if is_retry(old, new) => None,
        Standing::Starter => beyond(old, new, STOPS_AND_RESUMES),
        Standing::Other => beyond(old, new, STOPS),
    }
}

/// The content of a stamp after a permitted change: the same as before, if the object matched it, and otherwise nothing new,
/// because the object had been changed without Namesake's knowledge.
#[must_use]
pub fn signed_after_change(
    argo: &ArgoStamp,
    argo_kind: ArgoKind,
    old: &Parts<'_>,
    new: &Parts<'_>,
) -> ArgoStamp {
    let same = match argo {
        ArgoStamp::Own { .. } => old.spec == new.spec,
        _ => old.status.get(STORED) == new.status.get(STORED),
    };
    if same || !is_as_signed(argo, argo_kind, &old.spec, &old.status) {
        return argo.clone();
    }
    match argo {
        ArgoStamp::Own { .. } => own(argo_kind, &new.spec),
        ArgoStamp::Deployed(deployer) => match stored_digest(&new.status) {
            Some(stored) => ArgoStamp::Deployed(Box::new(Deployer {
                stored,
                ..(**deployer).clone()
            })),
            None => argo.clone(),
        },
        ArgoStamp::Reference { .. } | ArgoStamp::Unmatched => argo.clone(),
    }
}

/// The content of the stamp of an object that runs its own spec.
#[must_use]
pub fn own(argo_kind: ArgoKind, spec: &Json<'_>) -> ArgoStamp {
    ArgoStamp::Own {
        digest: own_digest(argo_kind, spec),
        before: None,
    }
}

/// The content of the stamp of an object that an admin assigns to a user: what it runs now.
///
/// # Errors
/// A Workflow that runs a template which Argo has not stored in it yet: what it will run is not known.
pub fn adopted(
    (kind, name): (&Kind, &str),
    argo_kind: ArgoKind,
    stamp: &Stamp,
    new: &Parts<'_>,
) -> Result<ArgoStamp, Refused> {
    if argo_kind != ArgoKind::Workflow || reference::named(&new.spec).is_none() {
        return Ok(own(argo_kind, &new.spec));
    }
    let Some(stored) = stored_digest(&new.status) else {
        return Err(Refused::new(
            Reason::NotStoredYet,
            format!(
                "what {} {name} runs is not stored in its status yet, so it cannot be assigned to anybody: adopt its template, or try \
                 again when Argo has stored it",
                kind.name
            ),
        ));
    };
    Ok(ArgoStamp::Deployed(Box::new(Deployer {
        requester: stamp.requester.clone(),
        user: stamp.user.clone(),
        groups: stamp.groups.clone(),
        stored,
    })))
}

/// The spec that a Workflow runs: what Argo stored of its template, or its own.
#[must_use]
pub fn running<'n, 'a>(new: &'n Parts<'a>) -> &'n Json<'a> {
    match reference::named(&new.spec) {
        Some(_) => new.status.get(STORED),
        None => &new.spec,
    }
}

/// The stamp of an object that exists, with what it signs for Argo.
#[must_use]
pub fn stamp_of_existing(stamp: &Stamp, metadata: &Metadata<'_>, argo: Option<ArgoStamp>) -> Stamp {
    let (object, bound) = stamp::existing(metadata);
    Stamp {
        object,
        bound,
        argo,
        ..stamp.clone()
    }
}

/// On whose behalf a pod of a Workflow runs.
///
/// # Errors
/// The Workflow has no proven requester, or it is not known yet as whom it runs.
pub fn principal(
    context: &AdmissionContext,
    namespace: &str,
    kind: &Kind,
    workflow: &ArgoObject<'_>,
) -> Result<Principal, Refused> {
    let name = workflow.metadata.name.as_deref().unwrap_or_default();
    let verified = stamp::of_metadata(context, namespace, kind, &workflow.metadata);
    let stamp = stamp::valid(verified, kind, name)?;
    let is_as_signed =
        |argo: &ArgoStamp| is_as_signed(argo, ArgoKind::Workflow, &workflow.spec, &workflow.status);
    if !stamp.argo.as_ref().is_some_and(is_as_signed) {
        return Err(changed(kind, name));
    }
    let (requester, user, groups) = match stamp.argo {
        Some(ArgoStamp::Deployed(deployer)) => (deployer.requester, deployer.user, deployer.groups),
        Some(ArgoStamp::Own { .. }) => (stamp.requester, stamp.user, stamp.groups),
        Some(ArgoStamp::Reference { template, .. }) => {
            return Err(not_stored(kind, name, &template));
        }
        Some(ArgoStamp::Unmatched) | None => return Err(unmatched(kind, name)),
    };
    Ok(Principal {
        user: user.ok_or_else(|| who::unmapped(&requester, kind, name)),
        requester,
        groups,
        launcher: Launcher::Workflow,
        containers: Default::default(),
    })
}

fn not_stored(kind: &Kind, name: &str, template: &str) -> Refused {
    Refused::new(
        Reason::NotStoredYet,
        format!(
            "{} {name} runs template {template} as whoever deployed it, and what it runs is not stored in its status yet: Argo is \
             storing it, and tries again by itself",
            kind.name
        ),
    )
}

fn unmatched(kind: &Kind, name: &str) -> Refused {
    Refused::new(
        Reason::NoProvenDeployer,
        format!(
            "what {} {name} runs is not what the user of its template deployed, so its pods get no identity: the template was changed \
             in between, or the controller's workflowDefaults change what runs; deploy the template again and start the run again",
            kind.name
        ),
    )
}

fn changed(kind: &Kind, name: &str) -> Refused {
    Refused::new(
        Reason::ChangedWorkflow,
        format!(
            "what {} {name} runs is not what was signed for it: it was changed while Namesake was not watching; the controller tries \
             again by itself, and if it lasts, start the run again",
            kind.name
        ),
    )
}

/// The refusal of a change of `member` by a requester who may only stop or delete the object.
#[must_use]
pub fn not_yours(
    of: (&Kind, &str),
    requester: &str,
    stamp: &Result<Stamp, SealError>,
    member: &str,
) -> Refused {
    let belongs = |stamp: &Stamp| match &stamp.argo {
        Some(ArgoStamp::Reference {
            own: None,
            template,
            ..
        }) => format!("runs as whoever deployed template {template}"),
        Some(ArgoStamp::Deployed(deployer)) => {
            let user = deployer.user.as_ref().map(User::as_str);
            format!("runs as {}", user.unwrap_or(&deployer.requester))
        }
        Some(ArgoStamp::Unmatched) => "has no user to run as".to_owned(),
        _ => format!("belongs to {}", stamp::user_or_requester(stamp)),
    };
    stamp::not_yours(of, requester, stamp, belongs, member)
}

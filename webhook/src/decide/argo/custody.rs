//! Whose the pods of a Workflow are, and who may change what runs. Pure.

use std::collections::BTreeMap;

use namesake_core::{Argo, Bound, Deployer, Launcher, ObjectName, SealError, Stamp, User};

use super::changes::{May, beyond};
use super::object::{self, own, still_says};
use super::reference::{self, Reference};
use super::retry::is_retry;
use super::stored::is_merged;
use super::{Role, STORED};
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{Kind, Parts};
use crate::decide::who::{self, Asker, Author, Trust};
use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;
use crate::review::{Metadata, Request};
use namesake_core::Json;

/// Who asks for a change of an object of Argo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Argo itself.
    Carrier,
    /// An admin, or a listed updater.
    Trusted,
    /// Whose pods run.
    Owner,
    /// Who started what runs as its deployer.
    Starter,
    /// Anybody else.
    Other,
}

/// Who asks, of an object with this stamp.
#[must_use]
pub fn standing(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    old: &Metadata<'_>,
    stamp: Option<&Stamp>,
) -> Standing {
    let author = Author::of(context, &request.user_info, old, [Launcher::Workflow]);
    match author.trust {
        Trust::Carrier => return Standing::Carrier,
        Trust::Updater | Trust::Admin => return Standing::Trusted,
        Trust::Nothing => {}
    }
    let Some(stamp) = stamp else {
        return Standing::Other;
    };
    let asked = author.is(&stamp.requester, stamp.user.as_ref());
    match &stamp.argo {
        Some(Argo::Deployed(deployer))
            if author.is(&deployer.requester, deployer.user.as_ref()) =>
        {
            Standing::Owner
        }
        Some(Argo::Deployed(_) | Argo::Unmatched | Argo::Reference { own: None, .. }) if asked => {
            Standing::Starter
        }
        Some(Argo::Own { .. } | Argo::Reference { own: Some(_), .. }) if asked => Standing::Owner,
        _ => Standing::Other,
    }
}

/// The first member that somebody changes and may not.
#[must_use]
pub fn refused_change(standing: Standing, old: &Parts<'_>, new: &Parts<'_>) -> Option<String> {
    match standing {
        Standing::Carrier | Standing::Trusted | Standing::Owner => None,
        Standing::Starter if is_retry(old, new) => None,
        Standing::Starter => beyond(old, new, May::Suspend),
        Standing::Other => beyond(old, new, May::Stop),
    }
}

/// The template that has to be looked at before the stamp of a changed Workflow can be signed: Argo has stored what it runs.
#[must_use]
pub fn awaited<'n>(standing: Standing, stamp: &Stamp, new: &'n Parts<'_>) -> Option<Reference<'n>> {
    let Some(Argo::Reference {
        template,
        cluster_scope,
        own,
    }) = &stamp.argo
    else {
        return None;
    };
    if standing != Standing::Carrier || new.status.get(STORED).is_empty() {
        return None;
    }
    let reference = match own {
        None => reference::pure(&new.spec),
        Some(_) => reference::named(&new.spec),
    };
    reference.filter(|r| r.name == template && r.cluster_scope == *cluster_scope)
}

/// Whose a Workflow is whose stored spec is there: its deployer's, if what is stored is what the template's stamp signed.
/// `template`: its stamp, if it counts, and its spec.
#[must_use]
pub fn matched(stamp: &Stamp, template: Option<&(Stamp, Json<'_>)>, new: &Parts<'_>) -> Argo {
    let matched = || {
        let stored = object::stored(&new.status)?;
        let (template, spec) = template?;
        let Some(Argo::Own { digest, before }) = &template.argo else {
            return None;
        };
        let Some(Argo::Reference { own, .. }) = &stamp.argo else {
            return None;
        };
        let (signed, by) = match own {
            None => (
                *digest == stored || before.as_ref() == Some(&stored),
                template,
            ),
            // Merged with more than a reference: the requester's, if the template is theirs, the one that was seen then, and
            // what Argo has read of it too.
            Some(own) => (
                own == digest
                    && stamp.user.is_some()
                    && stamp.user == template.user
                    && is_merged(new.status.get(STORED), spec, &new.spec),
                stamp,
            ),
        };
        signed.then(|| {
            Argo::Deployed(Box::new(Deployer {
                requester: by.requester.clone(),
                user: by.user.clone(),
                groups: by.groups.clone(),
                stored,
            }))
        })
    };
    matched().unwrap_or(Argo::Unmatched)
}

/// What a stamp says after a change by somebody who may make it: the same about what says the same, nothing new about what
/// had been changed behind our back.
#[must_use]
pub fn signed_again(argo: &Argo, role: Role, old: &Parts<'_>, new: &Parts<'_>) -> Argo {
    let same = match argo {
        Argo::Own { .. } => old.spec == new.spec,
        _ => old.status.get(STORED) == new.status.get(STORED),
    };
    if same || !still_says(argo, role, &old.spec, &old.status) {
        return argo.clone();
    }
    match argo {
        Argo::Own { .. } => Argo::Own {
            digest: own(role, &new.spec),
            before: None,
        },
        Argo::Deployed(deployer) => match object::stored(&new.status) {
            Some(stored) => Argo::Deployed(Box::new(Deployer {
                stored,
                ..(**deployer).clone()
            })),
            None => argo.clone(),
        },
        Argo::Reference { .. } | Argo::Unmatched => argo.clone(),
    }
}

/// What the stamp of an object says that an admin gives to a user: what it runs now. None for a Workflow that runs a
/// template which Argo has not stored in it yet: nobody knows what it will run.
#[must_use]
pub fn given(role: Role, stamp: &Stamp, new: &Parts<'_>) -> Option<Argo> {
    if role == Role::Workflow && reference::named(&new.spec).is_some() {
        let stored = object::stored(&new.status)?;
        return Some(Argo::Deployed(Box::new(Deployer {
            requester: stamp.requester.clone(),
            user: stamp.user.clone(),
            groups: stamp.groups.clone(),
            stored,
        })));
    }
    Some(Argo::Own {
        digest: own(role, &new.spec),
        before: None,
    })
}

/// The spec that a Workflow runs: what Argo stored of its template, or its own.
#[must_use]
pub fn running<'n, 'a>(new: &'n Parts<'a>) -> &'n Json<'a> {
    match reference::named(&new.spec) {
        Some(_) => new.status.get(STORED),
        None => &new.spec,
    }
}

/// A stamp for an object that exists: it signs its UID from now on.
#[must_use]
pub fn restamped(stamp: Stamp, metadata: &Metadata<'_>, argo: Option<Argo>) -> Stamp {
    Stamp {
        object: ObjectName::new(metadata.name.as_deref(), None),
        bound: Bound::Uid(metadata.uid.as_deref().unwrap_or_default().to_owned()),
        argo,
        ..stamp
    }
}

/// Whose a pod of a Workflow is.
///
/// # Errors
/// Nobody's, or not known yet.
pub fn asker(
    context: &AdmissionContext<'_>,
    namespace: &str,
    kind: &Kind,
    workflow: &object::Object<'_>,
) -> Result<Asker, Refused> {
    let name = workflow.metadata.name.as_deref().unwrap_or_default();
    let stamp = match workflow.stamp(context, namespace, kind) {
        Some(Ok(stamp)) => stamp,
        Some(Err(error @ SealError::UnknownKey(_))) => {
            return Err(who::unknown_key(kind, name, &error));
        }
        Some(Err(void)) => {
            return Err(who::nobodys(
                kind,
                name,
                &format!("its stamp is void: {void}"),
            ));
        }
        None => return Err(who::nobodys(kind, name, who::NO_STAMP)),
    };
    let argo = stamp.argo.as_ref();
    if !argo.is_some_and(|argo| still_says(argo, Role::Workflow, &workflow.spec, &workflow.status))
    {
        return Err(changed(kind, name));
    }
    let (requester, user, groups) = match stamp.argo {
        Some(Argo::Deployed(deployer)) => (deployer.requester, deployer.user, deployer.groups),
        Some(Argo::Own { .. }) => (stamp.requester, stamp.user, stamp.groups),
        Some(Argo::Reference { template, .. }) => return Err(not_stored(kind, name, &template)),
        Some(Argo::Unmatched) | None => return Err(unmatched(kind, name)),
    };
    let user = user.ok_or_else(|| who::unmapped(&requester, kind, name));
    Ok(Asker {
        requester,
        user,
        groups,
        launcher: Launcher::Workflow,
        containers: BTreeMap::new(),
    })
}

fn not_stored(kind: &Kind, name: &str, template: &str) -> Refused {
    Refused::later(
        RefusalReason::NotStoredYet,
        format!(
            "{} {name} runs template {template} as whoever deployed it, and what it runs is not stored in its status yet: Argo \
             stores it now, and tries again by itself",
            kind.name
        ),
    )
}

/// What an admin is told who adopts a Workflow before Argo has stored what it runs.
#[must_use]
pub fn nothing_stored(kind: &Kind, name: &str) -> Refused {
    Refused::later(
        RefusalReason::NotStoredYet,
        format!(
            "what {} {name} runs is not stored in its status yet, so nobody can say whose it is: adopt its template, or try again \
             when Argo has stored it",
            kind.name
        ),
    )
}

fn unmatched(kind: &Kind, name: &str) -> Refused {
    Refused::forbidden(
        RefusalReason::NoProvenDeployer,
        format!(
            "what {} {name} runs is not what the user of its template deployed, so its pods run as nobody: somebody changed the \
             template in between, or the controller's workflowDefaults change what runs; deploy the template again and start \
             the run anew",
            kind.name
        ),
    )
}

fn changed(kind: &Kind, name: &str) -> Refused {
    Refused::later(
        RefusalReason::ChangedWorkflow,
        format!(
            "what {} {name} runs is not what was signed for it: it was changed where nobody watched; the controller tries again \
             by itself, and if it lasts, start the run anew",
            kind.name
        ),
    )
}

/// What somebody is told who may not change an object.
#[must_use]
pub fn not_yours(
    kind: &Kind,
    name: &str,
    requester: &str,
    stamp: Option<&Result<Stamp, SealError>>,
    member: &str,
) -> Refused {
    let belongs = match stamp {
        Some(Ok(stamp)) => {
            let (requester, user) = match &stamp.argo {
                Some(Argo::Deployed(deployer)) => (&deployer.requester, &deployer.user),
                _ => (&stamp.requester, &stamp.user),
            };
            let user = user.as_ref().map_or(requester.as_str(), User::as_str);
            match &stamp.argo {
                Some(Argo::Reference {
                    own: None,
                    template,
                    ..
                }) => {
                    format!("runs as whoever deployed template {template}")
                }
                Some(Argo::Deployed(_)) => format!("runs as {user}"),
                Some(Argo::Unmatched) => "runs as nobody".to_owned(),
                _ => format!("belongs to {user}"),
            }
        }
        Some(Err(error @ SealError::UnknownKey(_))) => {
            return who::unknown_key(kind, name, error);
        }
        _ => "has a void stamp, so nobody knows whose it is".to_owned(),
    };
    Refused::forbidden(
        RefusalReason::NotYours,
        format!(
            "{} {name} {belongs}, and {requester} may stop or delete it but not change {member}: start a run of your own, or ask \
             its user or an admin to change it",
            kind.name
        ),
    )
}

//! A changed object of Argo: its stamp is restored, never believed, and signed again for whoever it belongs to.

use std::collections::BTreeMap;

use namesake_api::names::{ADOPT_ANNOTATION, STAMP_ANNOTATION};
use namesake_core::{Argo, Bound, Launcher, ObjectName, Stamp};

use super::Asked;
use super::adopt::adopted;
use super::early::evaluate;
use super::fetch::{home, template};
use crate::admit::trees::Both;
use crate::admit::{Decided, done};
use crate::decide::argo::Role;
use crate::decide::argo::custody::{self, Standing};
use crate::decide::argo::object::{self, own};
use crate::decide::kinds::Parts;
use crate::decide::mutate::{self, Change};
use crate::decide::who;
use crate::review::Metadata;
use crate::review::patch::Patch;
use crate::review::verdict::{Facts, Refused};

/// Restores or signs its stamp, or refuses the change. What Argo writes is never refused. `sign`: the namespace is opted in.
pub(super) async fn update(asked: &Asked<'_, '_>) -> Decided {
    let mut facts = Facts {
        requester: asked.request.user_info.username.to_string(),
        outcome: "restored",
        ..Facts::default()
    };
    let Some(metadata) = asked.request.old_object.as_ref().map(|old| &old.metadata) else {
        return Err((
            Refused::bad_request("an UPDATE without its old object"),
            facts,
        ));
    };
    let home = home(asked.kind, &asked.request.namespace);
    let found = object::stamp(asked.context, home, asked.kind, metadata);
    let stamp = found.as_ref().and_then(|found| found.as_ref().ok());
    facts.user = stamp
        .and_then(|stamp| stamp.user.as_ref())
        .map(ToString::to_string);
    let standing = custody::standing(asked.context, asked.request, metadata, stamp);
    let Both { old, new } = match asked.trees.both() {
        Ok(both) => both,
        // Too deep to be read: nothing of it is signed again.
        Err(_) if standing == Standing::Carrier => {
            let change = restore(asked, metadata.annotation(STAMP_ANNOTATION));
            return Ok(done(change, facts));
        }
        Err(refused) => return Err((refused, facts)),
    };
    // What Argo writes comes from templates, and is nobody's word.
    if standing != Standing::Carrier
        && let Some(verdict) = adopted(asked, metadata, new).await?
    {
        return Ok(verdict);
    }
    if asked.role != Role::Template && found.is_some() {
        let member = custody::refused_change(standing, old, new);
        if let Some(member) = member {
            let name = metadata.name.as_deref().unwrap_or_default();
            let refused =
                custody::not_yours(asked.kind, name, &facts.requester, found.as_ref(), &member);
            return Err((refused, facts));
        }
    }
    let again = again(asked, standing, metadata, stamp, (old, new)).await?;
    // The same text where it says the same: a second pass over our own output changes nothing.
    let same = again.as_ref().is_some_and(|again| Some(again) == stamp);
    let text = again
        .filter(|_| !same)
        .map(|again| again.sign(asked.context.keys, asked.context.epoch));
    let text = text.as_deref().or(metadata.annotation(STAMP_ANNOTATION));
    Ok(done(restore(asked, text), facts))
}

// The stamp that it gets; none where there is none to go on with.
async fn again(
    asked: &Asked<'_, '_>,
    standing: Standing,
    metadata: &Metadata<'_>,
    stamp: Option<&Stamp>,
    (old, new): (&Parts<'_>, &Parts<'_>),
) -> Result<Option<Stamp>, (Refused, Facts)> {
    match (asked.role, stamp) {
        (Role::Template, stamp) => template_of(asked, standing, metadata, stamp, old, new).await,
        (_, None) => Ok(None),
        (role, Some(stamp)) => {
            let again = workflow(asked, role, standing, metadata, stamp, (old, new)).await?;
            Ok(Some(again))
        }
    }
}

fn restore(asked: &Asked<'_, '_>, text: Option<&str>) -> Change {
    let mut patch = Patch::default();
    let keys = [(STAMP_ANNOTATION, text), (ADOPT_ANNOTATION, None)];
    patch.set_keys(
        "/metadata/annotations",
        asked.object.metadata.annotations.as_ref(),
        &keys,
    );
    Change {
        patch,
        warning: None,
        service_account: None,
        outcome: "restored",
    }
}

// Of a Workflow or a CronWorkflow, changed by somebody who may.
async fn workflow(
    asked: &Asked<'_, '_>,
    role: Role,
    standing: Standing,
    metadata: &Metadata<'_>,
    stamp: &Stamp,
    (old, new): (&Parts<'_>, &Parts<'_>),
) -> Result<Stamp, (Refused, Facts)> {
    let again = |argo| custody::restamped(stamp.clone(), metadata, argo);
    if let Some(reference) = custody::awaited(standing, stamp, new) {
        // What Argo writes is never refused: without an answer its pods wait, and its next change asks again.
        let Ok(found) = template(
            asked.state,
            &asked.request.namespace,
            reference,
            asked.deadline,
        )
        .await
        else {
            return Ok(again(stamp.argo.clone()));
        };
        let namespace = &asked.request.namespace;
        let template = found
            .as_ref()
            .and_then(|found| found.proven(asked.context, namespace));
        return Ok(again(Some(custody::matched(stamp, template.as_ref(), new))));
    }
    let Some(argo) = &stamp.argo else {
        return Ok(again(None));
    };
    if standing == Standing::Owner && old.spec != new.spec && matches!(argo, Argo::Own { .. }) {
        let info = &asked.request.user_info;
        let asker = who::asking(asked.context, info, metadata, Launcher::Workflow);
        let spec = if role == Role::CronWorkflow {
            new.spec.get("workflowSpec")
        } else {
            &new.spec
        };
        if crate::decide::argo::reference::named(spec).is_none() {
            evaluate(asked, &asker, spec).await?;
        } else if role == Role::Workflow {
            let member = "spec.workflowTemplateRef".to_owned();
            let name = metadata.name.as_deref().unwrap_or_default();
            let refused = custody::not_yours(
                asked.kind,
                name,
                &asker.requester,
                Some(&Ok(stamp.clone())),
                &member,
            );
            return Err((refused, mutate::facts(&asker, None)));
        }
    }
    Ok(again(Some(custody::signed_again(argo, role, old, new))))
}

// A template belongs to whoever deployed it last.
async fn template_of(
    asked: &Asked<'_, '_>,
    standing: Standing,
    metadata: &Metadata<'_>,
    stamp: Option<&Stamp>,
    old: &Parts<'_>,
    new: &Parts<'_>,
) -> Result<Option<Stamp>, (Refused, Facts)> {
    if old.spec == new.spec {
        return Ok(
            stamp.map(|stamp| custody::restamped(stamp.clone(), metadata, stamp.argo.clone()))
        );
    }
    let digest = own(Role::Template, &new.spec);
    if let (Standing::Carrier | Standing::Trusted, Some(stamp)) = (standing, stamp) {
        let argo = Argo::Own {
            digest,
            before: None,
        };
        return Ok(Some(custody::restamped(
            stamp.clone(),
            metadata,
            Some(argo),
        )));
    }
    let (info, now) = (&asked.request.user_info, &asked.object.metadata);
    let asker = who::asking(asked.context, info, now, Launcher::Workflow);
    if !home(asked.kind, "x").is_empty() {
        evaluate(asked, &asker, &new.spec).await?;
    }
    let before = match stamp {
        Some(Stamp {
            user,
            argo: Some(Argo::Own { digest: before, .. }),
            ..
        }) if user.is_some()
            && asker.user() == user.as_ref()
            && *before == own(Role::Template, &old.spec) =>
        {
            Some(before.clone()).filter(|before| *before != digest)
        }
        _ => None,
    };
    Ok(Some(Stamp {
        stack: asked.context.rules.stack().to_owned(),
        namespace: home(asked.kind, &asked.request.namespace).to_owned(),
        kind: asked.kind.name.to_owned(),
        object: ObjectName::new(metadata.name.as_deref(), None),
        user: asker.user().cloned(),
        requester: asker.requester,
        groups: asker.groups,
        bound: Bound::Uid(metadata.uid.as_deref().unwrap_or_default().to_owned()),
        root: None,
        runs: Vec::new(),
        containers: BTreeMap::new(),
        taken_over_at: Some(asked.context.now),
        argo: Some(Argo::Own { digest, before }),
    }))
}

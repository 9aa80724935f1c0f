//! A new object of Argo: whose it is, and what of it is signed.

use std::collections::BTreeMap;

use namesake_core::{Argo, Launcher, Stamp};

use super::early::{Early, evaluate};
use super::fetch::{fetch, home, needs_later, template};
use super::{Asked, same_name};
use crate::admit::needs::origin;
use crate::admit::{Decided, done};
use crate::decide::argo::Role;
use crate::decide::argo::object::{Object as Whole, own};
use crate::decide::argo::reference::{self, Reference};
use crate::decide::kinds::Parts;
use crate::decide::mutate::{self, Picked};
use crate::decide::who::adopt;
use crate::decide::who::{self, Asker, Chain};
use crate::review::reason::RefusalReason;
use crate::review::verdict::{Facts, Refused};
use namesake_core::Json;

type Refusal = (Refused, Facts);

/// Where Argo's tools leave the templates that they resolved, when they create a Workflow that names some.
const RESOLVED: &str = "storedTemplates";

/// Stamps it, or refuses it.
pub(super) async fn create(asked: &Asked<'_, '_>) -> Decided {
    let facts = || Facts {
        requester: asked.request.user_info.username.to_string(),
        ..Facts::default()
    };
    let both = asked.trees.both().map_err(|refused| (refused, facts()))?;
    let new = &both.new;
    adopt::not_yet(asked.kind, &asked.object.metadata).map_err(|refused| (refused, facts()))?;
    let asker = asker(asked, new)
        .await
        .map_err(|refused| (refused, facts()))?;
    let (argo, early) = match asked.role {
        Role::Workflow => workflow(asked, &asker, new).await?,
        Role::CronWorkflow => {
            let spec = new.spec.get("workflowSpec");
            let early = match reference::named(spec) {
                Some(_) => nothing(&asker),
                None => evaluate(asked, &asker, spec).await?,
            };
            (signed(asked, &new.spec), early)
        }
        // In no namespace no identity is known: it is evaluated where it is run.
        Role::Template if home(asked.kind, "x").is_empty() => {
            (signed(asked, &new.spec), nothing(&asker))
        }
        Role::Template => (
            signed(asked, &new.spec),
            evaluate(asked, &asker, &new.spec).await?,
        ),
    };
    let picked = Picked {
        not_made: early.missing,
        ..Picked::default()
    };
    let (context, metadata) = (asked.context, &asked.object.metadata);
    let mut change = mutate::of_argo(
        context,
        asked.request,
        asked.kind,
        metadata,
        &asker,
        argo,
        picked,
    );
    // What Argo's own tools resolved to check it: Argo resolves it again, and what stands here nobody proved.
    if asked.role == Role::Workflow && !new.status.get(RESOLVED).is_empty() {
        change.patch.remove(format!("/status/{RESOLVED}"));
    }
    Ok(done(change, early.facts))
}

fn signed(asked: &Asked<'_, '_>, spec: &Json<'_>) -> Argo {
    Argo::Own {
        digest: own(asked.role, spec),
        before: None,
    }
}

pub(super) fn nothing(asker: &Asker) -> Early {
    Early {
        facts: mutate::facts(asker, None),
        missing: false,
    }
}

// Whoever asks; for what Argo makes of a CronWorkflow, whoever made that.
async fn asker(asked: &Asked<'_, '_>, new: &Parts<'_>) -> Result<Asker, Refused> {
    let (request, context, metadata) = (asked.request, asked.context, &asked.object.metadata);
    let Chain::Carried(link) = who::chain(context, request, asked.kind, metadata) else {
        let made = (asked.kind, Launcher::Workflow);
        let origin = origin(
            asked.state,
            context,
            request,
            made,
            metadata,
            None,
            asked.deadline,
        );
        return Ok(origin.await?.asker);
    };
    let (kind, owner) = (link.kind, link.owner);
    let nobody = who::asking(context, &request.user_info, metadata, Launcher::Workflow);
    let (namespace, plural) = (request.namespace.as_str(), "cronworkflows");
    let text = fetch(asked.state, namespace, plural, &owner.name, asked.deadline).await?;
    let text = text.ok_or_else(|| needs_later(&owner.name, "there is no such CronWorkflow"))?;
    let cron: Whole<'_> = serde_json::from_str(&text)
        .map_err(|error| needs_later(&owner.name, &error.to_string()))?;
    let same = cron.metadata.uid.as_deref() == Some(owner.uid.as_str());
    let stamp = cron.stamp(asked.context, namespace, kind).filter(|_| same);
    let Some(Ok(stamp)) = stamp else {
        // Nobody is proven to have made it: what it names may still have a deployer.
        return Ok(nobody);
    };
    let now = crate::decide::argo::stored::digest(&new.spec, &[]);
    let says = |argo: &Argo| matches!(argo, Argo::Own { digest, .. } if *digest == now);
    if !stamp.argo.as_ref().is_some_and(says) {
        return Err(needs_later(
            &owner.name,
            "its workflowSpec is not what was signed for it, or not what Argo read",
        ));
    }
    Ok(by(stamp, |requester| {
        who::unmapped(requester, kind, &owner.name)
    }))
}

pub(super) fn by(stamp: Stamp, unmapped: impl FnOnce(&str) -> namesake_core::Refusal) -> Asker {
    let user = stamp.user.ok_or_else(|| unmapped(&stamp.requester));
    Asker {
        user,
        requester: stamp.requester,
        groups: stamp.groups,
        launcher: Launcher::Workflow,
        containers: BTreeMap::new(),
    }
}

async fn workflow(
    asked: &Asked<'_, '_>,
    asker: &Asker,
    new: &Parts<'_>,
) -> Result<(Argo, Early), Refusal> {
    let refuse = |refused| (refused, mutate::facts(asker, None));
    let mut members = new.status.members().iter();
    let is_empty = new.status.is_empty() || matches!(new.status, Json::Object(_));
    if !is_empty || members.any(|(name, node)| name.as_str() != RESOLVED && !node.is_empty()) {
        return Err(refuse(forged(asked)));
    }
    let Some(reference) = reference::named(&new.spec) else {
        let early = evaluate(asked, asker, &new.spec).await?;
        let named = same_name::check(asked, asker.user()).await;
        named.map_err(|refused| (refused, early.facts.clone()))?;
        return Ok((signed(asked, &new.spec), early));
    };
    let pure = reference::pure(&new.spec).is_some();
    let found = template(
        asked.state,
        &asked.request.namespace,
        reference,
        asked.deadline,
    )
    .await
    .map_err(refuse)?;
    let argo = |own| Argo::Reference {
        template: reference.name.to_owned(),
        cluster_scope: reference.cluster_scope,
        own,
    };
    let Some(found) = found else {
        // Argo says so to whoever looks.
        return if pure {
            same_name::check(asked, None).await.map_err(refuse)?;
            Ok((argo(None), nothing(asker)))
        } else {
            Err(refuse(mixed(asked, reference, "there is none")))
        };
    };
    let Some(stamp) = found.stamp(asked.context, &asked.request.namespace) else {
        return Err(refuse(undeployed(found.kind.kind, reference)));
    };
    let whole: Whole<'_> = serde_json::from_str(&found.text)
        .map_err(|error| refuse(needs_later(reference.name, &error.to_string())))?;
    if pure {
        let deployer = by(stamp, |requester| {
            who::unmapped(requester, found.kind, reference.name)
        });
        let early = evaluate(asked, &deployer, &whole.spec).await?;
        let named = same_name::check(asked, deployer.user()).await;
        named.map_err(|refused| (refused, early.facts.clone()))?;
        return Ok((argo(None), early));
    }
    let mine = asker.user().is_some() && asker.user() == stamp.user.as_ref();
    let Some(Argo::Own { digest, .. }) = stamp.argo.filter(|_| mine) else {
        return Err(refuse(mixed(asked, reference, "somebody else deployed it")));
    };
    evaluate(asked, asker, &whole.spec).await?;
    let early = evaluate(asked, asker, &new.spec).await?;
    let named = same_name::check(asked, asker.user()).await;
    named.map_err(|refused| (refused, early.facts.clone()))?;
    Ok((argo(Some(digest)), early))
}

fn forged(asked: &Asked<'_, '_>) -> Refused {
    Refused::forbidden(
        RefusalReason::ForgedStatus,
        format!(
            "this Workflow of {} comes with a status, which Argo would obey: take status out, only Argo writes it",
            asked.request.user_info.username
        ),
    )
}

fn undeployed(kind: &str, reference: Reference<'_>) -> Refused {
    Refused::forbidden(
        RefusalReason::NoProvenDeployer,
        format!(
            "nobody is proven to have deployed {kind} {}, so what it runs would run as nobody: deploy it again (it was made before \
             the namespace was opted in, or while admission was off), or ask an admin to adopt it",
            reference.name
        ),
    )
}

fn mixed(asked: &Asked<'_, '_>, reference: Reference<'_>, why: &str) -> Refused {
    Refused::forbidden(
        RefusalReason::NotAReference,
        format!(
            "this Workflow of {} says more than workflowTemplateRef and arguments, so its pods would be its requester's, but they \
             would run template {}, and {why}: take out the rest, and it runs as whoever deployed the template, or copy the \
             template into the Workflow",
            asked.request.user_info.username, reference.name
        ),
    )
}

//! A new object of Argo: its user, and what its stamp signs.

use namesake_core::{ArgoStamp, Json, Launcher, Reason, Stamp};

use super::early::evaluate;
use super::fetch::{Fetched, fetch, template, unreadable};
use super::same_name;
use crate::admit::admission::{Admission, Decided, Refusal, unexpected};
use crate::admit::early::Early;
use crate::admit::origin::origin;
use crate::admit::parts;
use crate::decide::argo::reference::{self, Reference};
use crate::decide::argo::{self, ArgoKind, custody};
use crate::decide::kinds::{Parts, Scope};
use crate::decide::mutate;
use crate::decide::who::{self, ParentReference, Principal, Provenance, adopt, stamp};
use crate::review::refused::Refused;

/// Where Argo's tools leave the templates that they resolved, when they create a Workflow that names some.
const RESOLVED: &str = "storedTemplates";

/// Stamps it, or refuses it.
pub(in crate::admit) async fn create(admission: &Admission<'_>, body: &[u8]) -> Decided {
    let refuse = |refused| admission.refuse(refused);
    let (kind, metadata) = (admission.kind, &admission.object.metadata);
    let mut versions = parts::read(body).map_err(refuse)?;
    adopt::check_new(kind, metadata).map_err(refuse)?;
    let principal = principal(admission, &versions.new).await.map_err(refuse)?;
    let cleaned = admission.sanitize(principal.user(), &versions.old, &mut versions.new);
    let new = &versions.new;
    let (argo, early) = match argo::argo_kind(kind) {
        Some(ArgoKind::Workflow) => workflow(admission, &principal, new).await?,
        Some(ArgoKind::CronWorkflow) => cron_workflow(admission, &principal, new).await?,
        Some(ArgoKind::Template) => workflow_template(admission, &principal, new).await?,
        None => return Err(refuse(unexpected(admission.request))),
    };
    let (context, namespace) = (admission.context, &admission.request.namespace);
    let object = stamp::created(context, metadata);
    let stamp = Stamp {
        argo: Some(argo),
        ..stamp::for_object(context, namespace, kind, object, &principal)
    };
    let mut change = mutate::new_parent(context, metadata, stamp);
    // Argo's own tools resolved these templates to validate the Workflow. Argo resolves them again, and nothing proves this copy.
    if argo::argo_kind(kind) == Some(ArgoKind::Workflow) && !new.status.get(RESOLVED).is_empty() {
        change.patch.remove(format!("/status/{RESOLVED}"));
    }
    Ok(cleaned.add_to(early.verdict(change)))
}

// The requester, or for what Argo creates from a CronWorkflow, the user of that.
async fn principal(admission: &Admission<'_>, new: &Parts<'_>) -> Result<Principal, Refused> {
    let (context, request) = (admission.context, admission.request);
    let metadata = &admission.object.metadata;
    match who::provenance(context, request, admission.kind, metadata) {
        Provenance::Carried(parent) => principal_of_cron(admission, &parent, new).await,
        Provenance::Requested(_) => {
            Ok(origin(admission, Launcher::Workflow, None).await?.principal)
        }
    }
}

async fn principal_of_cron(
    admission: &Admission<'_>,
    reference: &ParentReference<'_>,
    new: &Parts<'_>,
) -> Result<Principal, Refused> {
    let (context, request, owner) = (admission.context, admission.request, reference.owner);
    let found = fetch(admission, reference.kind.name, &owner.name).await?;
    let found = found.ok_or_else(|| unreadable(&owner.name, "there is no such CronWorkflow"))?;
    let cron = found.object()?;
    let is_same = cron.metadata.uid.as_deref() == Some(owner.uid.as_str());
    let stamp = stamp::of_metadata(context, &request.namespace, reference.kind, &cron.metadata);
    let Some(Ok(stamp)) = stamp.filter(|_| is_same) else {
        // Nothing proves who created it: a template that it names may still have a deployer.
        let metadata = &admission.object.metadata;
        let info = &request.user_info;
        return Ok(who::requesting(context, info, metadata, Launcher::Workflow));
    };
    let now = argo::stored::digest(&new.spec, &[]);
    let is_signed =
        |argo: &ArgoStamp| matches!(argo, ArgoStamp::Own { digest, .. } if *digest == now);
    if !stamp.argo.as_ref().is_some_and(is_signed) {
        return Err(unreadable(
            &owner.name,
            "its workflowSpec is not what was signed for it, or not what Argo read",
        ));
    }
    let of = (reference.kind, owner.name.as_str());
    Ok(Principal::of_stamp(&stamp, Launcher::Workflow, of))
}

async fn cron_workflow(
    admission: &Admission<'_>,
    principal: &Principal,
    new: &Parts<'_>,
) -> Result<(ArgoStamp, Early), Refusal> {
    let spec = new.spec.get("workflowSpec");
    let early = match reference::named(spec) {
        Some(_) => Early::undecided(principal),
        None => evaluate(admission, principal, spec).await?,
    };
    Ok((custody::own(ArgoKind::CronWorkflow, &new.spec), early))
}

async fn workflow_template(
    admission: &Admission<'_>,
    principal: &Principal,
    new: &Parts<'_>,
) -> Result<(ArgoStamp, Early), Refusal> {
    let early = match admission.kind.scope {
        Scope::Namespaced => evaluate(admission, principal, &new.spec).await?,
        // Identities live in namespaces: they are decided where it is run.
        Scope::Cluster => Early::undecided(principal),
    };
    Ok((custody::own(ArgoKind::Template, &new.spec), early))
}

async fn workflow(
    admission: &Admission<'_>,
    principal: &Principal,
    new: &Parts<'_>,
) -> Result<(ArgoStamp, Early), Refusal> {
    let refuse = |refused| (refused, mutate::facts(principal, None));
    let mut members = new.status.members().iter();
    let is_object = new.status.is_empty() || matches!(new.status, Json::Object(_));
    if !is_object || members.any(|(name, node)| name.as_str() != RESOLVED && !node.is_empty()) {
        return Err(refuse(forged_status(admission)));
    }
    let Some(reference) = reference::named(&new.spec) else {
        let early = evaluate(admission, principal, &new.spec).await?;
        let early = with_free_name(admission, principal, early).await?;
        return Ok((custody::own(ArgoKind::Workflow, &new.spec), early));
    };
    let found = template(admission, reference).await.map_err(refuse)?;
    if reference::pure(&new.spec).is_some() {
        let early = pure_reference(admission, principal, (reference, found)).await?;
        return Ok((signed_reference(reference, None), early));
    }
    let Some(found) = found else {
        return Err(refuse(mixed(admission, reference, "it does not exist")));
    };
    let Some((stamp, spec)) = found.stamp_and_spec(admission) else {
        return Err(refuse(not_deployed(&found, reference)));
    };
    let is_own = principal.user().is_some() && principal.user() == stamp.user.as_ref();
    let Some(ArgoStamp::Own { digest, .. }) = stamp.argo.filter(|_| is_own) else {
        return Err(refuse(mixed(
            admission,
            reference,
            "another user deployed it",
        )));
    };
    evaluate(admission, principal, &spec).await?;
    let early = evaluate(admission, principal, &new.spec).await?;
    let early = with_free_name(admission, principal, early).await?;
    Ok((signed_reference(reference, Some(digest)), early))
}

// A Workflow that only names a template runs as the deployer of that.
async fn pure_reference(
    admission: &Admission<'_>,
    principal: &Principal,
    (reference, found): (Reference<'_>, Option<Fetched>),
) -> Result<Early, Refusal> {
    let refuse = |refused| (refused, mutate::facts(principal, None));
    let Some(found) = found else {
        // Argo reports it on the Workflow.
        same_name::check(admission, None).await.map_err(refuse)?;
        return Ok(Early::undecided(principal));
    };
    let Some((stamp, spec)) = found.stamp_and_spec(admission) else {
        return Err(refuse(not_deployed(&found, reference)));
    };
    let deployer = Principal::of_stamp(&stamp, Launcher::Workflow, (found.kind, reference.name));
    let early = evaluate(admission, &deployer, &spec).await?;
    with_free_name(admission, &deployer, early).await
}

async fn with_free_name(
    admission: &Admission<'_>,
    runs_as: &Principal,
    early: Early,
) -> Result<Early, Refusal> {
    match same_name::check(admission, runs_as.user()).await {
        Ok(()) => Ok(early),
        Err(refused) => Err((refused, early.facts)),
    }
}

fn signed_reference(reference: Reference<'_>, own: Option<String>) -> ArgoStamp {
    ArgoStamp::Reference {
        template: reference.name.to_owned(),
        cluster_scope: reference.cluster_scope,
        own,
    }
}

fn forged_status(admission: &Admission<'_>) -> Refused {
    Refused::new(
        Reason::ForgedStatus,
        format!(
            "this Workflow of {} has a status, which Argo would obey: remove status, only Argo writes it",
            admission.request.user_info.username
        ),
    )
}

fn not_deployed(found: &Fetched, reference: Reference<'_>) -> Refused {
    Refused::new(
        Reason::NoProvenDeployer,
        format!(
            "nothing proves who deployed {} {}, so what it runs would get no identity: deploy it again (it was created before the namespace \
             was opted in, or while admission was off), or ask an admin to adopt it",
            found.kind.kind, reference.name
        ),
    )
}

fn mixed(admission: &Admission<'_>, reference: Reference<'_>, why: &str) -> Refused {
    Refused::new(
        Reason::NotAReference,
        format!(
            "this Workflow of {} has more than workflowTemplateRef and arguments, so its pods would run as its requester, but they would \
             run template {}, and {why}: remove the rest, and it runs as whoever deployed the template, or copy the template into \
             the Workflow",
            admission.request.user_info.username, reference.name
        ),
    )
}

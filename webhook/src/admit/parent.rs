//! Parents: what a person creates, and what a trusted controller creates from that.

use namesake_core::{Digest, MAX_DIGESTS, Reason, Stamp};

use super::admission::{Admission, Decided, Refusal, unexpected};
use super::argo;
use super::early::{Early, evaluate};
use super::origin::{Origin, origin};
use super::parts;
use crate::decide::argo as argo_rules;
use crate::decide::kinds::{self, Kind, ParentKind, Parts, PodTemplates, Template, TemplateError};
use crate::decide::mutate::{self, Update, Updated};
use crate::decide::pod_model::containers;
use crate::decide::who::adopt::{self, Adoption};
use crate::decide::who::{Principal, forged, stamp};
use crate::review::Metadata;
use crate::review::outcome::Outcome;
use crate::review::refused::Refused;

/// Decides about a parent that is created or changed.
pub(super) async fn admit(
    admission: &Admission<'_>,
    parent: &'static ParentKind,
    body: &[u8],
) -> Decided {
    match (parent.pods, admission.request.operation.as_str()) {
        (Some(pods), "CREATE") => create(admission, (parent, pods), body).await,
        (Some(pods), "UPDATE") => update(admission, (parent, pods), body).await,
        (None, "CREATE") => argo::create::create(admission, body).await,
        (None, "UPDATE") => argo::update::update(admission, body).await,
        _ => Err(admission.refuse(unexpected(admission.request))),
    }
}

async fn create(
    admission: &Admission<'_>,
    (parent, pods): (&ParentKind, PodTemplates),
    body: &[u8],
) -> Decided {
    let refuse = |refused| admission.refuse(refused);
    let (context, namespace) = (admission.context, &admission.request.namespace);
    let (kind, metadata) = (admission.kind, &admission.object.metadata);
    let mut versions = parts::read(body).map_err(refuse)?;
    adopt::check_new(kind, metadata).map_err(refuse)?;
    let origin = origin(admission, parent.launcher, Some(&versions.new)).await;
    let origin = origin.map_err(refuse)?;
    let principal = &origin.principal;
    let cleaned = admission.sanitize(principal.user(), &versions.old, &mut versions.new);
    let new = &versions.new;
    let runs = digests_within_limit(kind, pods, new).map_err(refuse)?;
    let early = decide(admission, pods, &origin, new).await?;
    let containers = containers::of_job(&context.rules, parent, new);
    let object = stamp::created(context, metadata);
    let stamp = Stamp {
        root: Some(principal.launcher).filter(|root| *root != parent.launcher),
        runs,
        containers: containers.map_err(|refused| (refused, early.facts.clone()))?,
        ..stamp::for_object(context, namespace, kind, object, principal)
    };
    let change = mutate::new_parent(context, metadata, stamp);
    Ok(cleaned.add_to(early.verdict(change)))
}

async fn update(
    admission: &Admission<'_>,
    (parent, pods): (&'static ParentKind, PodTemplates),
    body: &[u8],
) -> Decided {
    let refuse = |refused| admission.refuse(refused);
    let (context, kind, request) = (admission.context, admission.kind, admission.request);
    let Some(old) = &request.old_object else {
        return Err(refuse(unexpected(request)));
    };
    let new = &admission.object.metadata;
    let mut versions = parts::read(body).map_err(refuse)?;
    let adoption = match adopt::is_child(new) {
        true => None,
        false => adopt::adoption(context, request, kind, (&old.metadata, new)).map_err(refuse)?,
    };
    let stamp = stamp::of_metadata(context, &request.namespace, kind, &old.metadata);
    let valid = stamp.as_ref().and_then(|stamp| stamp.as_ref().ok());
    let owner = adoption.as_ref().map(Adoption::stamp).or(valid);
    let user = owner.and_then(|stamp| stamp.user.as_ref());
    let mut facts = super::admission::facts(request);
    facts.user = user.map(ToString::to_string);
    let cleaned = admission.sanitize(user, &versions.old, &mut versions.new);
    let updated = Updated {
        kind,
        parent,
        pods,
        old,
        new: admission.object,
        stamp: stamp.as_ref(),
    };
    let refuse = |refused| (refused, facts.clone());
    let (principal, stamp, outcome) = match adoption {
        Some(adoption) => {
            let stamp = complete(admission, parent, pods, adoption, &versions.new);
            let stamp = stamp.map_err(refuse)?;
            let name = old.metadata.name.as_deref().unwrap_or_default();
            let principal = Principal::of_stamp(&stamp, parent.launcher, (kind, name));
            (principal, stamp, Outcome::Adopted)
        }
        None => match mutate::update(context, request, &updated, (&versions.old, &versions.new)) {
            Ok(Update::Done(change)) => {
                return Ok(cleaned.add_to(change.into_verdict(facts)));
            }
            Ok(Update::Decide(principal, stamp)) => (principal, *stamp, Outcome::Stamped),
            Err(refused) => return Err((refused, facts)),
        },
    };
    // Refused if there are more than a stamp can sign.
    digests_within_limit(kind, pods, &versions.new).map_err(refuse)?;
    let origin = origin_of_existing(&old.metadata, principal);
    let early = decide(admission, pods, &origin, &versions.new).await?;
    let change = mutate::stamped(context, new, &stamp, outcome);
    Ok(cleaned.add_to(early.verdict(change)))
}

// The stamp of an adopted parent, with what it runs.
fn complete(
    admission: &Admission<'_>,
    parent: &ParentKind,
    pods: PodTemplates,
    adoption: Adoption,
    new: &Parts<'_>,
) -> Result<Stamp, Refused> {
    match adoption {
        Adoption::Signed(stamp) => Ok(stamp),
        Adoption::Requested(stamp) => Ok(Stamp {
            runs: pods.runs.of(new),
            containers: containers::of_job(&admission.context.rules, parent, new)?,
            ..stamp
        }),
    }
}

// The origin of an existing parent.
fn origin_of_existing(metadata: &Metadata<'_>, principal: Principal) -> Origin {
    let owner = metadata.controller();
    let parent = owner.and_then(|owner| Some((kinds::of_owner(owner)?.0, owner.name.as_str())));
    let is_workflow =
        |kind: &Kind| argo_rules::argo_kind(kind) == Some(argo_rules::ArgoKind::Workflow);
    let workflow = parent.filter(|(kind, _)| is_workflow(kind));
    Origin {
        principal,
        is_carried: parent.is_some() && workflow.is_none(),
        workflow: workflow.map(|(_, name)| name.to_owned()),
    }
}

// Decides about the pods of a parent.
async fn decide(
    admission: &Admission<'_>,
    pods: PodTemplates,
    origin: &Origin,
    new: &Parts<'_>,
) -> Result<Early, Refusal> {
    let principal = &origin.principal;
    let refuse = |refused| (refused, mutate::facts(principal, None));
    let unreadable = |error: TemplateError| {
        Refused::bad_request(format!(
            "this {} cannot be read: {error}: fix the object and create it again",
            admission.kind.name
        ))
    };
    let templates = (pods.read)(new).map_err(|error| refuse(unreadable(error)))?;
    if !origin.is_carried {
        check_forged(admission, origin, new, &templates).map_err(refuse)?;
    }
    evaluate(admission, principal, &templates).await
}

// Whether its pods would pass for those of another parent.
fn check_forged(
    admission: &Admission<'_>,
    origin: &Origin,
    new: &Parts<'_>,
    templates: &[Template<'_>],
) -> Result<(), Refused> {
    let request = admission.request;
    let requester = request.user_info.username.as_str();
    let spec = (request.operation.as_str() == "CREATE", &new.spec);
    let (kind, metadata) = (admission.kind, &admission.object.metadata);
    templates.iter().try_for_each(|template| {
        forged::check_template(template, requester, origin.workflow.as_deref())?;
        forged::check_job_labels(kind, metadata, spec, template, requester)
    })
}

// The digests of what the pods run.
fn digests_within_limit(
    kind: &Kind,
    pods: PodTemplates,
    parts: &Parts<'_>,
) -> Result<Vec<Digest>, Refused> {
    let runs = pods.runs.of(parts);
    if runs.len() <= MAX_DIGESTS {
        return Ok(runs);
    }
    Err(Refused::new(
        Reason::TooManyTemplates,
        format!(
            "this {} would run {} different pod templates, and a stamp can sign {MAX_DIGESTS}: create several, each with fewer",
            kind.name,
            runs.len()
        ),
    ))
}

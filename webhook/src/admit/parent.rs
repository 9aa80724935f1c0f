//! Parents: what a person makes, and what a carrier makes of that.

use std::time::Instant;

use namesake_api::names;
use namesake_core::{Digest, MAX_RUNS};

use super::early::evaluate;
use super::needs::{Origin, origin};
use super::trees::Trees;
use super::{Decided, asks, done, unasked};
use crate::decide::argo;
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{self, Kind, Odd, Parent as ParentKind, Parts, Scope, Template};
use crate::decide::mutate::{self, Picked, Update};
use crate::decide::pod_model::containers;
use crate::decide::who::adopt;
use crate::decide::who::{self, Asker};
use crate::review::reason::RefusalReason;
use crate::review::verdict::{Facts, Refused};
use crate::review::{Metadata, Object, Request};
use crate::state::State;

/// A parent that changes.
pub(super) struct Changed<'a> {
    pub(super) kind: &'static Kind,
    pub(super) parent: &'static ParentKind,
    pub(super) new: &'a Object<'a>,
}

pub(super) async fn create(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    (kind, parent): (&'static Kind, &'static ParentKind),
    object: &Object<'_>,
    trees: &Trees<'_>,
    deadline: Instant,
) -> Decided {
    let refuse = |refused: Refused| (refused, asks(request));
    let parts = &trees.both().map_err(refuse)?.new;
    let made = (kind, parent.launcher);
    let metadata = &object.metadata;
    adopt::not_yet(kind, metadata).map_err(refuse)?;
    // No rules of a namespace, and nobody in the cluster may have to wait for us.
    if kind.scope == Scope::Cluster {
        let asker = who::asking(context, &request.user_info, metadata, parent.launcher);
        let (facts, runs) = (mutate::facts(&asker, None), parent.runs.of(parts));
        let none = Picked::default();
        let change = mutate::parent(
            context,
            request,
            (kind, parent),
            metadata,
            &asker,
            runs,
            none,
        );
        return Ok(done(change, facts));
    }
    let origin = origin(
        state,
        context,
        request,
        made,
        metadata,
        Some(parts),
        deadline,
    )
    .await;
    let Origin {
        asker,
        carried,
        workflow,
    } = origin.map_err(refuse)?;
    let runs = runs(kind, parent, parts).map_err(refuse)?;
    let made = Made {
        kind,
        parent,
        carried,
        workflow: workflow.as_deref(),
    };
    let early = early(state, context, request, made, &asker, parts, deadline);
    let (facts, mut picked) = early.await?;
    let containers = containers::asked_for_by(context.rules, parent, parts);
    picked.containers = containers.map_err(|refused| (refused, facts.clone()))?;
    let parent = (kind, parent);
    let change = mutate::parent(context, request, parent, metadata, &asker, runs, picked);
    Ok(done(change, facts))
}

pub(super) async fn update(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    changed: &Changed<'_>,
    trees: &Trees<'_>,
    deadline: Instant,
) -> Decided {
    let refuse = |refused: Refused| (refused, asks(request));
    let (kind, parent, new) = (changed.kind, changed.parent, changed.new);
    let old = request.old_object.as_ref();
    let old = old.ok_or_else(|| refuse(unasked(request)))?;
    let parts = trees.both().map_err(refuse)?;
    let (facts, update) = mutate::update(
        context,
        request,
        (kind, parent),
        (old, &parts.old),
        (new, &parts.new),
    );
    match update {
        Ok(Update::Done(change)) => Ok(done(change, facts)),
        Ok(Update::Ask(asker, stamp)) => {
            let adopted = new.metadata.annotation(names::ADOPT_ANNOTATION).is_some();
            let outcome = if adopted { "adopted" } else { "stamped" };
            runs(kind, parent, &parts.new).map_err(|refused| (refused, facts.clone()))?;
            if kind.scope == Scope::Cluster {
                let none = Picked::default();
                let change = mutate::restamped(context, &new.metadata, &stamp, none, outcome);
                return Ok(done(change, facts));
            }
            let owner = old.metadata.controller();
            let of = owner.and_then(|o| Some((kinds::owner(o)?.0, o.name.as_str())));
            let workflow = of.filter(|(kind, _)| argo::role(kind) == Some(argo::Role::Workflow));
            let made = Made {
                kind,
                parent,
                carried: of.is_some() && workflow.is_none(),
                workflow: workflow.map(|(_, name)| name),
            };
            let early = early(state, context, request, made, &asker, &parts.new, deadline);
            let (facts, picked) = early.await?;
            let change = mutate::restamped(context, &new.metadata, &stamp, picked, outcome);
            Ok(done(change, facts))
        }
        Err(refused) => Err((refused, facts)),
    }
}

/// A parent, and where it comes from.
struct Made<'a> {
    kind: &'static Kind,
    parent: &'static ParentKind,
    /// Whether a carrier made it of another parent.
    carried: bool,
    /// The Workflow that it belongs to.
    workflow: Option<&'a str>,
}

async fn early(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    made: Made<'_>,
    asker: &Asker,
    parts: &Parts<'_>,
    deadline: Instant,
) -> Result<(Facts, Picked), (Refused, Facts)> {
    let refuse = |refused| (refused, mutate::facts(asker, None));
    let templates = templates(&made, parts).map_err(refuse)?;
    if !made.carried {
        planted(request, &made, parts, &templates).map_err(refuse)?;
    }
    evaluate(state, context, request, asker, &templates, deadline).await
}

fn templates<'p>(made: &Made<'_>, parts: &'p Parts<'_>) -> Result<Vec<Template<'p>>, Refused> {
    let odd = |odd: Odd| {
        Refused::bad_request(format!(
            "this {} cannot be read: {odd}: mend the object and create it again",
            made.kind.name
        ))
    };
    (made.parent.templates)(parts).map_err(odd)
}

// Whether pods of it would pass for those of another parent.
fn planted(
    request: &Request<'_>,
    made: &Made<'_>,
    parts: &Parts<'_>,
    templates: &[Template<'_>],
) -> Result<(), Refused> {
    let requester = request.user_info.username.as_str();
    let spec = (request.operation.as_str() == "CREATE", &parts.spec);
    let none = Metadata::default();
    let metadata = request.object.as_ref().map_or(&none, |o| &o.metadata);
    templates.iter().try_for_each(|template| {
        who::planted_template(template, requester, made.workflow)?;
        who::planted_labels(made.kind, metadata, spec, template, requester)
    })
}

fn runs(kind: &Kind, parent: &ParentKind, parts: &Parts<'_>) -> Result<Vec<Digest>, Refused> {
    let runs = parent.runs.of(parts);
    if runs.len() <= MAX_RUNS {
        return Ok(runs);
    }
    Err(Refused::forbidden(
        RefusalReason::TooManyTemplates,
        format!(
            "this {} would run {} different pod templates, and a stamp can sign {MAX_RUNS}: create several, each with fewer",
            kind.name,
            runs.len()
        ),
    ))
}

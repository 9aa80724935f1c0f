//! What a decision may need beyond memory: a parent that the watch has not seen, an identity that does not exist.

use std::sync::Arc;
use std::time::Instant;

use namesake_core::{Decision, Digest, IdentityChoice, Launcher, Per, Stamp};

use super::argo::pod::asker_of_pod;
use crate::decide::argo;
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{self, Kind, Parts, Runs};
use crate::decide::known::KnownParent;
use crate::decide::mutate::Available;
use crate::decide::who::{self, Asker, Chain, Link};
use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;
use crate::review::{Metadata, Owner, Request};
use crate::state::State;
use crate::state::broker::{Failure, Question};
use crate::state::metrics::BrokerLabels;
use crate::state::watch;

/// Whose a new object is.
pub(super) struct Origin {
    pub(super) asker: Asker,
    /// Whether a carrier made it of a parent.
    pub(super) carried: bool,
    /// The name of a Workflow of the asker's own that it names as its owner.
    pub(super) workflow: Option<String>,
}

// Its parent's user if a carrier made it, otherwise whoever asks. `parts` is what it would run.
pub(super) async fn origin(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    (kind, launcher): (&Kind, Launcher),
    metadata: &Metadata<'_>,
    parts: Option<&Parts<'_>>,
    deadline: Instant,
) -> Result<Origin, Refused> {
    let owners = match who::chain(context, request, kind, metadata) {
        Chain::Carried(link) if argo::role(link.kind) == Some(argo::Role::Workflow) => {
            let asker = asker_of_pod(state, context, request, (link.kind, link.owner), deadline);
            let asker = asker.await?;
            return Ok(Origin {
                asker,
                carried: true,
                workflow: None,
            });
        }
        Chain::Carried(link) => {
            let shown = match (link.parent.runs, parts) {
                (Runs::Signed { made, .. }, Some(parts)) => Some(made(parts)),
                _ => None,
            };
            let asker = carried(state, context, request, &link, shown.as_ref(), deadline).await?;
            if !kind.is_parent() {
                who::names_another_job(&link, metadata)?;
            }
            return Ok(Origin {
                asker,
                carried: true,
                workflow: None,
            });
        }
        Chain::Asking(owners) => owners,
    };
    if let Some(Err(refusal)) = context.acts_for {
        return Err(refusal.clone().into());
    }
    let mut asker = who::asking(context, &request.user_info, metadata, launcher);
    let mut workflow = None;
    for owner in owners {
        let named = named_parent(state, context, request, (kind, owner), &asker, deadline);
        let Some(named) = named.await? else {
            continue;
        };
        workflow = named.workflow.or(workflow);
        // What a task pod makes is part of what its user made.
        if context.acts_for.is_some() {
            asker.launcher = named.launcher;
        }
    }
    let asks = who::requester(&request.user_info);
    let is_controller = |launcher| who::is_carrier(context, &asks, launcher);
    who::planted_key(kind, metadata, &asks.username, is_controller)?;
    Ok(Origin {
        asker,
        carried: false,
        workflow,
    })
}

/// A parent that the asker made themselves.
struct NamedParent {
    /// Its name, if it is a Workflow.
    workflow: Option<String>,
    /// What a person made that it comes from.
    launcher: Launcher,
}

// The parent that an owner reference of a new object names; none if it names no parent of ours. Refused if it is not the
// asker's own.
async fn named_parent(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    (kind, owner): (&Kind, &Owner<'_>),
    asker: &Asker,
    deadline: Instant,
) -> Result<Option<NamedParent>, Refused> {
    let known = state.parents.by_uid(&request.namespace, &owner.uid);
    let Some(link) = who::possible_parent(known.as_deref(), owner) else {
        return Ok(None);
    };
    let planted = || who::planted_owner(kind, &link, &request.user_info.username);
    let is_of_its_kind = kinds::owner(owner).is_some();
    let parent = match parent(state, &request.namespace, &link, false, deadline).await {
        Ok(parent) => parent.seen,
        // Another API group's kind of the same name, which has nothing to do with us.
        Err(Missing::Gone(_)) if !is_of_its_kind => return Ok(None),
        Err(Missing::Gone(_)) => return Err(planted()),
        Err(Missing::Away(refused)) => return Err(refused),
    };
    // Some controllers go by the UID, others by the name: both have to be of one object.
    if !is_of_its_kind || *parent.name != *owner.name.as_str() {
        return Err(planted());
    }
    let stamp = who::stamp_of(context, &request.namespace, &link, &parent);
    let is_theirs = |stamp: &Stamp| argo::runs_as(stamp).is_some_and(|u| asker.user() == Some(u));
    let Some(stamp) = stamp.ok().filter(is_theirs) else {
        return Err(planted());
    };
    let is_workflow = argo::role(link.kind) == Some(argo::Role::Workflow);
    Ok(Some(NamedParent {
        workflow: is_workflow.then(|| parent.name.to_string()),
        launcher: stamp.root.unwrap_or(link.parent.launcher),
    }))
}

// Memory may be behind what the carrier saw, or ahead of it: it is read once more before anything is refused for that.
async fn carried(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    link: &Link<'_>,
    shown: Option<&Digest>,
    deadline: Instant,
) -> Result<Asker, Refused> {
    let namespace = request.namespace.as_str();
    let found = parent(state, namespace, link, false, deadline).await?;
    match who::carried(context, namespace, link, &found.seen, shown) {
        Err(refused) if refused.reason == RefusalReason::NotAsSigned.as_str() && !found.fresh => {
            match parent(state, namespace, link, true, deadline).await {
                Ok(found) => who::carried(context, namespace, link, &found.seen, shown),
                Err(_) => Err(refused),
            }
        }
        answer => answer,
    }
}

pub(super) struct Found {
    pub(super) seen: Arc<KnownParent>,
    fresh: bool,
}

pub(super) enum Missing {
    // There is no such parent.
    Gone(Refused),
    // Nobody can say now.
    Away(Refused),
}

impl From<Missing> for Refused {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Gone(refused) | Missing::Away(refused) => refused,
        }
    }
}

// The parent of an object: from memory, or with one GET if our watch is behind. Its UID decides.
pub(super) async fn parent(
    state: &State,
    namespace: &str,
    link: &Link<'_>,
    again: bool,
    deadline: Instant,
) -> Result<Found, Missing> {
    let (kind, owner) = (link.kind, link.owner);
    let known = state.parents.get(namespace, kind.name, &owner.uid);
    if let Some(seen) = known.filter(|_| !again) {
        return Ok(Found { seen, fresh: false });
    }
    let refused = |what: String| {
        let text = format!(
            "{} {}, which this belongs to, could not be read: {what}; the controller tries again by itself",
            kind.name, owner.name
        );
        Refused::later(RefusalReason::ParentUnknown, text)
    };
    let away = |what: String| Missing::Away(refused(what));
    let gone = |what: String| Missing::Gone(refused(what));
    let Some(client) = state.cluster() else {
        return Err(gone("it is not known here".to_owned()));
    };
    state.metrics.parent_fetches.inc();
    let resource = state.installed.resource(kind);
    let fetch = watch::fetch(client, kind, &resource, namespace, &owner.name);
    let found = match tokio::time::timeout_at(deadline.into(), fetch).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(away(error.to_string())),
        Err(_) => return Err(away("the API server did not answer in time".to_owned())),
    };
    match found {
        Some((uid, parent)) if uid == owner.uid.as_str() => {
            let seen = state.parents.apply(namespace, &uid, parent);
            Ok(Found { seen, fresh: true })
        }
        Some((uid, _)) => Err(gone(format!(
            "it has UID {uid}, and this belongs to UID {}",
            owner.uid
        ))),
        None => Err(gone("there is none".to_owned())),
    }
}

// The identity that the decision needs: known, or made by the broker now. `None`: none is needed, or this is a dry run.
pub(super) async fn identity(
    state: &State,
    request: &Request<'_>,
    asker: &Asker,
    decision: &Decision,
    deadline: Instant,
) -> Result<Option<Available>, Refused> {
    let Decision::Identity(choice) = decision else {
        return Ok(None);
    };
    let name = choice.name.as_str();
    if let Some(known) = state.identities.get(&request.namespace, name) {
        let user = choice.values.get(&Per::User).map_or("", String::as_str);
        if known.user != user || known.class != choice.class {
            return Err(conflict(asker, choice, &known.user, &known.class));
        }
        if known.service_account_uid.is_some() {
            return Ok(Some(Available { ready: known.ready }));
        }
    }
    if request.is_dry_run() {
        return Ok(None);
    }
    let Some(broker) = state.broker().cloned() else {
        let away = Failure::away("there is none");
        return Err(Refused::from_broker(away));
    };
    let revision = state.rules.get().map(|rules| rules.revision().to_owned());
    let question = Question {
        revision: revision.unwrap_or_default(),
        ..question(&request.namespace, asker, choice)
    };
    let asked = question.clone();
    let call = state
        .flights()
        .join(question, move || async move { broker.ask(&asked).await });
    let answer = tokio::time::timeout_at(deadline.into(), call).await;
    let answer = answer
        .ok()
        .flatten()
        .unwrap_or_else(|| Err(Failure::away("not in time")));
    let result = match &answer {
        Ok(_) => "ok",
        Err(Failure::Refused { .. }) => "refused",
        Err(Failure::Later { .. }) => "later",
    };
    state
        .metrics
        .broker_calls
        .get_or_create(&BrokerLabels { result })
        .inc();
    let answer = answer.map_err(Refused::from_broker)?;
    if answer.name != name {
        return Err(other_rules(asker, name, &answer.name));
    }
    Ok(Some(Available {
        ready: answer.ready,
    }))
}

fn question(namespace: &str, asker: &Asker, choice: &IdentityChoice) -> Question {
    let values = choice
        .values
        .iter()
        .map(|(per, value)| (per.as_str().to_owned(), value.clone()));
    Question {
        namespace: namespace.to_owned(),
        class: choice.class.clone(),
        user: choice.user.to_string(),
        groups: asker.groups.members(),
        values: values.collect(),
        revision: String::new(),
    }
}

fn conflict(asker: &Asker, choice: &IdentityChoice, user: &str, class: &str) -> Refused {
    Refused::later(
        RefusalReason::IdentityConflict,
        format!(
            "identity {} is recorded for user {user:?} and class {class:?}, and {} would get it as user {:?} and class {:?}: \
             ask the platform team to look at the Identity of this name",
            choice.name,
            asker.requester,
            choice.user.as_str(),
            choice.class
        ),
    )
}

fn other_rules(asker: &Asker, name: &str, answered: &str) -> Refused {
    Refused::later(
        RefusalReason::RulesDiffer,
        format!(
            "the broker calls the identity of {} {answered}, and this webhook {name}: one of them does not have the newest \
             rules yet; try again in a minute",
            asker.requester
        ),
    )
}

//! One review from its bytes to its answer: the only place where pure decisions meet the state and the broker.

mod argo;
mod early;
mod epoch;
mod guard;
mod needs;
mod parent;
mod record;
mod tidy;
mod trees;
mod unreadable;

use std::time::Instant;

use namesake_api::names;
use namesake_core::{Decision, Launcher, Refusal, User};
use serde::de::IgnoredAny;

use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{self, Kind, Role, Scope};
use crate::decide::mode::Mode;
use crate::decide::mutate::opt_in;
use crate::decide::mutate::shadow;
use crate::decide::mutate::task_result;
use crate::decide::mutate::{self, Change};
use crate::decide::pod_model::claims;
use crate::decide::validate::final_check;
use crate::decide::validate::rules;
use crate::decide::who;
use crate::review::reason::RefusalReason;
use crate::review::verdict::{Facts, Refused, Verdict};
use crate::review::{self, Malformed, Object, Request};
use crate::state::State;

use needs::{identity, origin};
use record::record;
use tidy::tidied;
use trees::Trees;

/// Which of our webhooks is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Webhook {
    /// Stamps parents and patches pods.
    Mutate,
    /// Writes an epoch onto a namespace as it is opted in.
    MutateNamespaces,
    /// Checks final pods.
    Validate,
    /// Checks edits of the rules.
    ValidateRules,
    /// Checks who enters running pods, and who feeds Argo's steps.
    Guard,
}

impl Webhook {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::MutateNamespaces => "mutate-namespaces",
            Self::Validate => "validate",
            Self::ValidateRules => "validate-rules",
            Self::Guard => "guard",
        }
    }
}

/// Answers one review, and writes down what was decided. `began` is when the request came; nothing waits beyond
/// `deadline`.
///
/// # Errors
/// A body that is no review.
pub async fn admit(
    state: &State,
    webhook: Webhook,
    body: &[u8],
    began: Instant,
    deadline: Instant,
) -> Result<Vec<u8>, Malformed> {
    if webhook == Webhook::ValidateRules {
        let request = review::parse::<rules::ConfigMap>(body)?;
        let verdict = rules::check(&request, state.rules.get().as_deref(), |stack| {
            state.namespaces.of_stack(stack)
        });
        record(state, webhook, "ConfigMap", &request, &verdict, began);
        return Ok(verdict.review(&request.uid)?);
    }
    if webhook == Webhook::Guard {
        let request = review::parse::<crate::decide::validate::guard::Guarded<'_>>(body)?;
        let (kind, verdict) = guard::check(state, &request, deadline).await;
        record(state, webhook, kind, &request, &verdict, began);
        return Ok(verdict.review(&request.uid)?);
    }
    let mut request = match review::parse::<Object<'_>>(body) {
        Ok(request) => request,
        Err(Malformed::Json(error)) => return unread(state, webhook, body, &error, began),
        Err(malformed) => return Err(malformed),
    };
    if webhook == Webhook::MutateNamespaces {
        let verdict = opted_in(state, &request);
        record(state, webhook, "Namespace", &request, &verdict, began);
        return Ok(verdict.review(&request.uid)?);
    }
    if webhook == Webhook::Mutate && task_result::is_created(&request) {
        let verdict = task_result::write_down(&request);
        let kind = "argoproj.io/WorkflowTaskResult";
        record(state, webhook, kind, &request, &verdict, began);
        return Ok(verdict.review(&request.uid)?);
    }
    let kind = kinds::find(&request.kind);
    let mode = state.rules.get().map_or(Mode::Enforce, |rules| {
        state.namespaces.mode(&request.namespace, rules.stack())
    });
    if mode == Mode::Shadow {
        // Nothing is made for what only might have been.
        request.dry_run = Some(true);
    }
    let mut trees = Trees::new(body);
    let verdict = if mode != Mode::Shadow && webhook == Webhook::Mutate {
        tidied(state, kind, &request, &mut trees, deadline).await
    } else {
        verdict(state, webhook, kind, &request, &trees, deadline).await
    };
    let verdict = match mode {
        Mode::Shadow => shadowed(webhook, kind, &request, verdict),
        _ => verdict,
    };
    record(
        state,
        webhook,
        kind.map_or("other", |k| k.name),
        &request,
        &verdict,
        began,
    );
    Ok(verdict.review(&request.uid)?)
}

// What is answered about a namespace: it gets a new epoch when it is opted in.
fn opted_in(state: &State, request: &Request<'_>) -> Verdict {
    match epoch::draw() {
        Ok(epoch) => opt_in::write_epoch(request, state.rules.get().as_deref(), &epoch),
        Err(refused) => Verdict::refuse(refused, asks(request)),
    }
}

// What is answered in a namespace where nothing is enforced.
fn shadowed(
    webhook: Webhook,
    kind: Option<&'static Kind>,
    request: &Request<'_>,
    verdict: Verdict,
) -> Verdict {
    match (webhook, kind, &request.object) {
        (Webhook::Mutate, Some(kind), Some(object)) => {
            let creates = request.operation.as_str() == "CREATE";
            shadow::shadowed(&kind.role, object, creates, verdict)
        }
        (Webhook::Validate, ..) => shadow::final_check(verdict),
        _ => verdict,
    }
}

// A review whose object cannot be read is refused with what is wrong with it; what is no review at all is malformed.
fn unread(
    state: &State,
    webhook: Webhook,
    body: &[u8],
    error: &serde_json::Error,
    began: Instant,
) -> Result<Vec<u8>, Malformed> {
    let request = review::parse::<IgnoredAny>(body)?;
    let refused = unreadable::refused(&request.kind.kind, body, error);
    let facts = Facts {
        requester: request.user_info.username.to_string(),
        ..Facts::default()
    };
    let verdict = Verdict::refuse(refused, facts);
    record(state, webhook, "unreadable", &request, &verdict, began);
    Ok(verdict.review(&request.uid)?)
}

async fn verdict(
    state: &State,
    webhook: Webhook,
    kind: Option<&'static Kind>,
    request: &Request<'_>,
    trees: &Trees<'_>,
    deadline: Instant,
) -> Verdict {
    match decide(state, webhook, kind, request, trees, deadline).await {
        Ok(verdict) => verdict,
        Err((refused, facts)) => Verdict::refuse(refused, facts),
    }
}

type Decided = Result<Verdict, (Refused, Facts)>;

async fn decide(
    state: &State,
    webhook: Webhook,
    kind: Option<&'static Kind>,
    request: &Request<'_>,
    trees: &Trees<'_>,
    deadline: Instant,
) -> Decided {
    let refuse = |refused: Refused| (refused, asks(request));
    let (kind, object) = subject(kind, request).map_err(refuse)?;
    let (Some(rules), Some(keys)) = (state.rules.get(), state.keys()) else {
        return Err(refuse(not_loaded()));
    };
    let namespace = match kind.scope {
        Scope::Namespaced => request.namespace.as_str(),
        Scope::Cluster => "",
    };
    let opted_in = state.namespaces.get(namespace, rules.stack());
    let acts_for = acts_for(state, request).map_err(refuse)?;
    let context = AdmissionContext {
        rules: &rules,
        keys: &keys,
        now: state.now(),
        epoch: opted_in.as_ref().map_or("", |n| n.epoch.as_str()),
        inside: lives_inside(state, &request.user_info, rules.stack()),
        acts_for: acts_for.as_ref(),
    };
    if webhook == Webhook::Mutate && opted_in.is_none() && kind.scope == Scope::Namespaced {
        return Err(refuse(not_opted_in(state, &context, request)));
    }
    if let (Webhook::Mutate, Some(role)) = (webhook, crate::decide::argo::role(kind)) {
        let asked = argo::Asked {
            state,
            context: &context,
            request,
            object,
            trees,
            deadline,
            kind,
            role,
        };
        return argo::admit(&asked).await;
    }
    match (webhook, &kind.role, request.operation.as_str()) {
        (Webhook::Validate, Role::Pod, "CREATE") => {
            let verdict = final_check::check(&context, request, object);
            let checked = argo::checked(state, &context, request, object, verdict, deadline);
            Ok(checked.await)
        }
        (Webhook::Mutate, Role::Parent(parent), "UPDATE") => {
            let changed = parent::Changed {
                kind,
                parent,
                new: object,
            };
            parent::update(state, &context, request, &changed, trees, deadline).await
        }
        (Webhook::Mutate, Role::Pod, "CREATE") => {
            pod(state, &context, request, kind, object, deadline).await
        }
        (Webhook::Mutate, Role::Parent(parent), "CREATE") => {
            let made = (kind, parent);
            parent::create(state, &context, request, made, object, trees, deadline).await
        }
        _ => Err(refuse(unasked(request))),
    }
}

// What a review is about: an object of a kind of ours that has a name, or will get one.
fn subject<'r, 'a>(
    kind: Option<&'static Kind>,
    request: &'r Request<'a>,
) -> Result<(&'static Kind, &'r Object<'a>), Refused> {
    let kind = kind.filter(|_| request.sub_resource.as_ref().is_none_or(|s| s.is_empty()));
    let (Some(kind), Some(object)) = (kind, &request.object) else {
        return Err(unasked(request));
    };
    if object.metadata.is_named() {
        Ok((kind, object))
    } else {
        Err(nameless(kind))
    }
}

// The user of the managed account that asks, if one asks.
fn acts_for(
    state: &State,
    request: &Request<'_>,
) -> Result<Option<Result<User, Refusal>>, Refused> {
    let known = |name: &str| state.identities.get(&request.namespace, name);
    let acts_for = who::managed(&request.user_info, &request.namespace, known);
    if matches!(acts_for, Some(Err(_))) && !state.synced.has_identities() {
        return Err(just_started("the Identities"));
    }
    Ok(acts_for)
}

// A service account of an opted-in namespace.
fn lives_inside(state: &State, info: &review::UserInfo<'_>, stack: &str) -> bool {
    let account = info.username.strip_prefix("system:serviceaccount:");
    let home = account.and_then(|account| account.split_once(':'));
    home.is_some_and(|(home, _)| state.namespaces.get(home, stack).is_some())
}

async fn pod(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    kind: &'static Kind,
    pod: &Object<'_>,
    deadline: Instant,
) -> Decided {
    let made = (kind, Launcher::Pod);
    let origin = origin(state, context, request, made, &pod.metadata, None, deadline).await;
    let asker = origin.map_err(|refused| (refused, asks(request)))?.asker;
    let belongs = argo::belongs(state, context, request, pod, asker.user(), deadline).await;
    belongs.map_err(|refused| (refused, mutate::facts(&asker, None)))?;
    let decision = claims::of_pod(pod, |said| {
        mutate::choose(context, &request.namespace, &asker, said)
    });
    let decision = decision.map_err(|refused| (refused, mutate::facts(&asker, None)))?;
    let facts = mutate::facts(&asker, Some(&decision));
    let kept = matches!(decision, Decision::Keep);
    if let Some(refused) = argo::agent(pod, &asker).filter(|_| !kept) {
        return Err((refused, facts));
    }
    let change = async {
        let have = identity(state, request, &asker, &decision, deadline).await?;
        mutate::pod(context, request, pod, &asker, &decision, have)
    };
    change
        .await
        .map(|c| done(c, facts.clone()))
        .map_err(|refused| (refused, facts))
}

fn asks<O>(request: &Request<'_, O>) -> Facts {
    Facts {
        requester: request.user_info.username.to_string(),
        ..Facts::default()
    }
}

fn done(change: Change, facts: Facts) -> Verdict {
    Verdict {
        result: Ok(change.patch),
        warnings: change.warning.into_iter().map(str::to_owned).collect(),
        facts: Facts {
            outcome: change.outcome,
            service_account: change.service_account,
            ..facts
        },
    }
}

fn unasked<O>(request: &Request<'_, O>) -> Refused {
    let kind = &request.kind;
    let sub = request.sub_resource.as_deref().unwrap_or_default();
    Refused::bad_request(format!(
        "Namesake did not ask for {} of {}/{} {} {sub}: mend the rules of the webhook configuration",
        request.operation, kind.group, kind.version, kind.kind
    ))
}

// The API server refuses it too, but after us: our patch would have nowhere to go.
fn nameless(kind: &Kind) -> Refused {
    Refused::bad_request(format!(
        "this {} has neither metadata.name nor metadata.generateName: set the one or the other, and create it again",
        kind.name
    ))
}

fn not_loaded() -> Refused {
    Refused::later(
        RefusalReason::RulesNotLoaded,
        "Namesake has no rules in force yet: try again in a minute; if it lasts, ask the platform team to look at the \
         ConfigMap namesake-rules and the log of namesake-webhook",
    )
}

// What was not read yet says nothing about the request.
fn just_started(what: &str) -> Refused {
    Refused::later(
        RefusalReason::NotSynced,
        format!(
            "this replica of namesake-webhook has just started, and has not read {what} yet: try again in a moment; if it \
             lasts, ask the platform team to look at the log of namesake-webhook"
        ),
    )
}

fn not_opted_in<O>(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_, O>,
) -> Refused {
    if !state.synced.has_namespaces() {
        return just_started("the namespaces");
    }
    Refused::later(
        RefusalReason::NotOptedIn,
        format!(
            "namespace {} is not seen as opted in to stack {}: try again in a minute; if it lasts, its label {} names \
             another stack, {} is off, or it has no annotation {} (an admin takes the label off and sets it again)",
            request.namespace,
            context.rules.stack(),
            names::OPT_IN_LABEL,
            names::MODE_LABEL,
            names::EPOCH_ANNOTATION
        ),
    )
}

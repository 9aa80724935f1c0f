//! One review from its bytes to its answer: the only place where pure decisions meet the state and the broker.

use std::collections::BTreeMap;
use std::time::Instant;

use namesake_core::{Decision, IdentityChoice, Launcher, Per};

use crate::broker::Question;
use crate::kinds::{self, Kind, Parent as ParentKind, Role};
use crate::metrics::{BrokerLabels, DecisionLabels, WatchLabels};
use crate::mutate::{self, Change, Have, Specs, World};
use crate::review::{self, Malformed, Object, Owner, Request, Spec};
use crate::state::{Parent, State};
use crate::verdict::{Facts, Refused, Verdict};
use crate::who::{self, Asker, Chain};
use crate::{rules_check, twin, watch};

/// Which of our webhooks is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Webhook {
    /// Stamps parents and patches pods.
    Mutate,
    /// Checks final pods.
    Validate,
    /// Checks edits of the rules.
    ValidateRules,
}

impl Webhook {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
            Self::ValidateRules => "validate-rules",
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
        let request = review::parse::<rules_check::ConfigMap>(body)?;
        let verdict = rules_check::check(&request, state.rules.get().as_deref());
        record(state, webhook, "ConfigMap", &request, &verdict, began);
        return Ok(verdict.review(&request.uid)?);
    }
    let request = review::parse::<Object<'_>>(body)?;
    let kind = kinds::find(&request.kind);
    let verdict = match decide(state, webhook, kind, &request, body, deadline).await {
        Ok(verdict) => verdict,
        Err((refused, facts)) => Verdict::refuse(refused, facts),
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

type Decided = Result<Verdict, (Refused, Facts)>;

async fn decide(
    state: &State,
    webhook: Webhook,
    kind: Option<&'static Kind>,
    request: &Request<'_>,
    body: &[u8],
    deadline: Instant,
) -> Decided {
    let facts = || Facts {
        requester: request.user_info.username.to_string(),
        ..Facts::default()
    };
    let refuse = |refused: Refused| (refused, facts());
    let kind = kind.filter(|_| request.sub_resource.as_ref().is_none_or(|s| s.is_empty()));
    let (Some(kind), Some(object)) = (kind, &request.object) else {
        return Err(refuse(unasked(request)));
    };
    let (Some(rules), Some(keys)) = (state.rules.get(), state.keys()) else {
        return Err(refuse(not_loaded(request)));
    };
    let opted_in = state.namespaces.get(&request.namespace, rules.stack());
    let world = World {
        rules: &rules,
        keys: &keys,
        now: state.now(),
        returned: opted_in.as_ref().and_then(|n| n.returned),
    };
    match (webhook, &kind.role, request.operation.as_str()) {
        (Webhook::Validate, Role::Pod, "CREATE") => Ok(twin::check(&world, request, object)),
        (Webhook::Mutate, Role::Parent(parent), "UPDATE") => update(
            &world,
            request,
            kind,
            parent,
            object,
            body,
            opted_in.is_some(),
        )
        .map_err(refuse),
        (Webhook::Mutate, _, "CREATE") if opted_in.is_none() => {
            Err(refuse(not_opted_in(&world, request)))
        }
        (Webhook::Mutate, Role::Pod, "CREATE") => {
            pod(state, &world, request, object, deadline).await
        }
        (Webhook::Mutate, Role::Parent(parent), "CREATE") => {
            create(state, &world, request, (kind, parent), object, deadline).await
        }
        _ => Err(refuse(unasked(request))),
    }
}

async fn pod(
    state: &State,
    world: &World<'_>,
    request: &Request<'_>,
    pod: &Object<'_>,
    deadline: Instant,
) -> Decided {
    let facts = Facts {
        requester: request.user_info.username.to_string(),
        ..Facts::default()
    };
    let asker = match who::chain(world.rules, request, pod) {
        Ok(Chain::Asking) => who::asking(
            world.rules,
            who::requester(&request.user_info),
            &pod.metadata,
            Launcher::Pod,
        ),
        Ok(Chain::Carried(kind, launcher, owner)) => {
            let carried = match parent(state, &request.namespace, kind, owner, deadline).await {
                Ok(parent) => who::carried(
                    world,
                    &request.namespace,
                    (kind, launcher),
                    &owner.uid,
                    &parent,
                ),
                Err(refused) => Err(refused),
            };
            carried.map_err(|refused| (refused, facts))?
        }
        Err(refused) => return Err((refused, facts)),
    };
    let account = pod.spec.as_ref().map_or("default", Spec::account);
    let decision = mutate::choose(
        world,
        &request.namespace,
        &asker,
        Some(&pod.metadata),
        account,
    )
    .map_err(|refused| (refused, mutate::facts(&asker, None)))?;
    let facts = mutate::facts(&asker, Some(&decision));
    let change = async {
        let have = identity(state, request, &asker, &decision, deadline).await?;
        mutate::pod(world, request, pod, &asker, &decision, have)
    };
    change
        .await
        .map(|c| done(c, facts.clone()))
        .map_err(|refused| (refused, facts))
}

async fn create(
    state: &State,
    world: &World<'_>,
    request: &Request<'_>,
    (kind, parent): (&'static Kind, &'static ParentKind),
    object: &Object<'_>,
    deadline: Instant,
) -> Decided {
    let asker = who::asking(
        world.rules,
        who::requester(&request.user_info),
        &object.metadata,
        parent.launcher,
    );
    let template = object.spec.as_ref().and_then(|s| s.template.as_deref());
    let account = template
        .and_then(|t| t.spec.as_ref())
        .map_or("default", Spec::account);
    let metadata = template.map(|t| &t.metadata);
    let decision = mutate::choose(world, &request.namespace, &asker, metadata, account)
        .map_err(|refused| (refused, mutate::facts(&asker, None)))?;
    let facts = mutate::facts(&asker, Some(&decision));
    match identity(state, request, &asker, &decision, deadline).await {
        Ok(have) => {
            let change = mutate::parent(world, request, kind, object, &asker, &decision, have);
            Ok(done(change, facts))
        }
        Err(refused) => Err((refused, facts)),
    }
}

fn update(
    world: &World<'_>,
    request: &Request<'_>,
    kind: &'static Kind,
    parent: &ParentKind,
    new: &Object<'_>,
    body: &[u8],
    opted_in: bool,
) -> Result<Verdict, Refused> {
    let old = request
        .old_object
        .as_ref()
        .ok_or_else(|| unasked(request))?;
    let specs = || {
        let request = review::parse::<Specs>(body).ok()?;
        Some((request.old_object?, request.object?))
    };
    let sign = if opted_in {
        mutate::Sign::Again
    } else {
        mutate::Sign::Never
    };
    let (facts, change) = mutate::update(world, request, (kind, parent), old, new, sign, specs);
    Ok(match change {
        Ok(change) => done(change, facts),
        Err(refused) => Verdict::refuse(refused, facts),
    })
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

// The parent of a carried pod: from memory, or with one GET if our watch is behind. Its UID decides.
async fn parent(
    state: &State,
    namespace: &str,
    kind: &Kind,
    owner: &Owner<'_>,
    deadline: Instant,
) -> Result<std::sync::Arc<Parent>, Refused> {
    if let Some(parent) = state.parents.get(namespace, &owner.uid) {
        return Ok(parent);
    }
    let away = |what: String| {
        let text = format!(
            "{} {} of this pod could not be read: {what}; the controller tries again by itself",
            kind.name, owner.name
        );
        Refused::later("ParentUnknown", text)
    };
    let Some(client) = state.cluster() else {
        return Err(away("it is not known here".to_owned()));
    };
    state.metrics.parent_fetches.inc();
    let fetch = watch::fetch(client, namespace, &owner.name);
    let found = match tokio::time::timeout_at(deadline.into(), fetch).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(away(error.to_string())),
        Err(_) => return Err(away("the API server did not answer in time".to_owned())),
    };
    match found {
        Some((uid, parent)) if uid == owner.uid.as_str() => {
            state.parents.apply(namespace, &uid, parent);
            state
                .parents
                .get(namespace, &uid)
                .ok_or_else(|| away("it has just gone".to_owned()))
        }
        Some((uid, _)) => Err(away(format!(
            "it has UID {uid}, and the pod belongs to UID {}",
            owner.uid
        ))),
        None => Err(away("there is none".to_owned())),
    }
}

// The identity that the decision needs: known, or made by the broker now. `None`: none is needed, or this is a dry run.
async fn identity(
    state: &State,
    request: &Request<'_>,
    asker: &Asker,
    decision: &Decision,
    deadline: Instant,
) -> Result<Option<Have>, Refused> {
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
            return Ok(Some(Have { ready: known.ready }));
        }
    }
    if request.is_dry_run() {
        return Ok(None);
    }
    let Some(broker) = state.broker().cloned() else {
        return Ok(None);
    };
    let question = question(&request.namespace, asker, choice);
    let asked = question.clone();
    let call = state
        .flights()
        .join(question, move || async move { broker.ask(&asked).await });
    let answer = tokio::time::timeout_at(deadline.into(), call).await;
    let answer = answer
        .ok()
        .flatten()
        .unwrap_or_else(|| Err(crate::broker::Failure::away("not in time")));
    let result = match &answer {
        Ok(_) => "ok",
        Err(crate::broker::Failure::NotEntitled(_)) => "refused",
        Err(crate::broker::Failure::Later { .. }) => "later",
    };
    state
        .metrics
        .broker_calls
        .get_or_create(&BrokerLabels { result })
        .inc();
    let answer = answer.map_err(|failure| Refused::from_broker(failure, &asker.requester))?;
    if answer.name != name {
        return Err(other_rules(asker, name, &answer.name));
    }
    Ok(Some(Have {
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
        values: values.collect::<BTreeMap<_, _>>(),
    }
}

fn conflict(asker: &Asker, choice: &IdentityChoice, user: &str, class: &str) -> Refused {
    Refused::later(
        "IdentityConflict",
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
        "RulesDiffer",
        format!(
            "the broker calls the identity of {} {answered}, and this webhook {name}: one of them does not have the newest \
             rules yet; try again in a minute",
            asker.requester
        ),
    )
}

fn unasked(request: &Request<'_>) -> Refused {
    let (kind, requester) = (&request.kind, &request.user_info.username);
    let sub = request.sub_resource.as_deref().unwrap_or_default();
    Refused::bad_request(format!(
        "Namesake did not ask for {} of {}/{} {} {sub} (requester: {requester}): mend the rules of the webhook configuration",
        request.operation, kind.group, kind.version, kind.kind
    ))
}

fn not_loaded(request: &Request<'_>) -> Refused {
    Refused::later(
        "RulesNotLoaded",
        format!(
            "Namesake has no rules in force yet (requester: {}): try again in a minute; if it lasts, ask the platform team \
             to look at the ConfigMap namesake-rules and the log of namesake-webhook",
            request.user_info.username
        ),
    )
}

fn not_opted_in(world: &World<'_>, request: &Request<'_>) -> Refused {
    Refused::later(
        "NotOptedIn",
        format!(
            "namespace {} is not seen as opted in to stack {} (requester: {}): try again in a minute; if it lasts, its label \
             {} names another stack",
            request.namespace,
            world.rules.stack(),
            request.user_info.username,
            namesake_api::names::OPT_IN_LABEL
        ),
    )
}

fn record<O>(
    state: &State,
    webhook: Webhook,
    kind: &'static str,
    request: &Request<'_, O>,
    verdict: &Verdict,
    began: Instant,
) {
    let (facts, refused) = (&verdict.facts, verdict.result.as_ref().err());
    let labels = DecisionLabels {
        webhook: webhook.as_str(),
        kind,
        outcome: facts.outcome,
        reason: refused.map_or("", |r| r.reason),
    };
    state.metrics.decisions.get_or_create(&labels).inc();
    let elapsed = began.elapsed();
    let timed = WatchLabels {
        watch: webhook.as_str(),
    };
    state
        .metrics
        .decision_seconds
        .get_or_create(&timed)
        .observe(elapsed.as_secs_f64());
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        webhook = webhook.as_str(),
        operation = request.operation.as_str(),
        kind,
        namespace = request.namespace.as_str(),
        uid = request.uid.as_str(),
        requester = facts.requester,
        user = facts.user,
        rule = facts.rule,
        class = facts.class,
        service_account = facts.service_account,
        outcome = facts.outcome,
        reason = refused.map(|r| r.reason),
        message = refused.map(|r| r.message.as_str()),
        micros,
        "decision"
    );
}

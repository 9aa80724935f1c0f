//! What a decision may need beyond memory: a parent that the watch has not seen, an identity that does not exist.

use std::sync::Arc;
use std::time::Instant;

use namesake_core::{Decision, IdentityChoice, Per};

use crate::broker::{Failure, Question};
use crate::kinds::Kind;
use crate::metrics::BrokerLabels;
use crate::mutate::Have;
use crate::review::{Owner, Request};
use crate::state::{Parent, State};
use crate::verdict::Refused;
use crate::watch;
use crate::who::Asker;

// The parent of a carried pod: from memory, or with one GET if our watch is behind. Its UID decides.
pub(super) async fn parent(
    state: &State,
    namespace: &str,
    kind: &Kind,
    owner: &Owner<'_>,
    deadline: Instant,
) -> Result<Arc<Parent>, Refused> {
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
pub(super) async fn identity(
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
        let away = Failure::away("there is none");
        return Err(Refused::from_broker(away));
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
        .unwrap_or_else(|| Err(Failure::away("not in time")));
    let result = match &answer {
        Ok(_) => "ok",
        Err(Failure::NotEntitled(_)) => "refused",
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
        values: values.collect(),
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

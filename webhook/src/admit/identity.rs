//! The identity that a decision needs: known, or created by the broker now.

use namesake_api::broker_api::IdentityRequest;
use namesake_core::{Decision, IdentityChoice, Per, Reason};

use super::admission::{Admission, Effects};
use super::find_identity;
use crate::decide::mutate::Available;
use crate::decide::who::Principal;
use crate::review::refused::Refused;
use crate::state::broker::{Failure, Question};

/// The identity that a decision needs. `None`: it needs none, or the identity does not exist and may not be created for this
/// request.
pub(super) async fn available(
    admission: &Admission<'_>,
    principal: &Principal,
    decision: &Decision,
) -> Result<Option<Available>, Refused> {
    let Decision::Identity(choice) = decision else {
        return Ok(None);
    };
    let (state, name) = (admission.state, choice.name.as_str());
    let stack = admission.context.rules.stack();
    let identity = (stack, &*admission.request.namespace, name);
    if let Some(known) = find_identity::find(state, identity, admission.deadline).await? {
        let user = choice.values.get(&Per::User).map_or("", String::as_str);
        if *known.user != *user || *known.class != *choice.class {
            return Err(conflict(principal, choice, &known.user, &known.class));
        }
        if known.service_account_uid.is_some() {
            return Ok(Some(Available {
                ready: known.ready,
                stalled: known.stalled,
            }));
        }
    }
    match admission.effects {
        Effects::None => Ok(None),
        Effects::Apply => create(admission, principal, choice).await.map(Some),
    }
}

// Has the broker create it. Simultaneous pods of one identity share one call.
async fn create(
    admission: &Admission<'_>,
    principal: &Principal,
    choice: &IdentityChoice,
) -> Result<Available, Refused> {
    let state = admission.state;
    let Some(broker) = state.broker.clone() else {
        return Err(Failure::unavailable("there is none").into());
    };
    let question = Question {
        revision: admission.context.rules.revision().to_owned(),
        request: request(&admission.request.namespace, principal, choice),
    };
    let key = question.clone();
    let call = move || async move { broker.ask(&question).await };
    let call = state.broker_calls.join(key, call);
    let answer = tokio::time::timeout_at(admission.deadline.into(), call).await;
    let answer = answer.ok().flatten();
    let answer = answer.unwrap_or_else(|| Err(Failure::unavailable("not in time")));
    let result = match &answer {
        Ok(_) => "ok",
        Err(failure) if failure.is_final() => "refused",
        Err(_) => "later",
    };
    let calls = &state.metrics.broker_calls;
    calls.get_or_create(&[("result", result)]).inc();
    let answer = answer?;
    if answer.name != choice.name.as_str() {
        return Err(other_rules(principal, choice, &answer.name));
    }
    Ok(Available {
        ready: answer.ready,
        stalled: None,
    })
}

fn request(namespace: &str, principal: &Principal, choice: &IdentityChoice) -> IdentityRequest {
    let values = choice.values.iter();
    IdentityRequest {
        namespace: namespace.to_owned(),
        class: choice.class.clone(),
        user: choice.user.to_string(),
        groups: principal.groups.members().map(str::to_owned).collect(),
        values: values
            .map(|(per, value)| (per.as_str().to_owned(), value.clone()))
            .collect(),
    }
}

fn conflict(principal: &Principal, choice: &IdentityChoice, user: &str, class: &str) -> Refused {
    Refused::new(
        Reason::Conflict,
        format!(
            "identity {} is recorded for user {user:?} and class {class:?}, and {} would get it as user {:?} and class {:?}: ask the \
             platform team to look at the Identity of this name",
            choice.name,
            principal.requester,
            choice.user.as_str(),
            choice.class
        ),
    )
}

fn other_rules(principal: &Principal, choice: &IdentityChoice, answered: &str) -> Refused {
    Refused::new(
        Reason::RulesDiffer,
        format!(
            "the broker calls the identity of {} {answered}, and this webhook {}: one of them does not have the newest rules yet; try \
             again in a minute",
            principal.requester, choice.name
        ),
    )
}

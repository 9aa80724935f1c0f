//! Early evaluation: the rules are asked at the parent for every pod that it would make, so that a refusal meets the
//! person, and so that identities are on their way before the first pod is.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use namesake_core::Decision;

use super::needs::identity;
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::Template;
use crate::decide::mutate::{self, Picked};
use crate::decide::pod_model::claims;
use crate::decide::pod_model::node;
use crate::decide::who::Asker;
use crate::review::Request;
use crate::review::reason::RefusalReason;
use crate::review::verdict::{Facts, Refused};
use crate::state::State;

/// Calls of the broker at once for one parent.
const AT_ONCE: usize = 8;

// What the pods of a parent will get, or why one of them would be refused.
pub(super) async fn evaluate(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    asker: &Asker,
    templates: &[Template<'_>],
    deadline: Instant,
) -> Result<(Facts, Picked), (Refused, Facts)> {
    let decisions = decide(context, request, asker, templates).map_err(|boxed| *boxed)?;
    let first = decisions.first();
    let facts = mutate::facts(asker, first);
    let mut distinct = BTreeMap::new();
    for decision in &decisions {
        if let Decision::Identity(choice) = decision {
            distinct.entry(choice.name.as_str()).or_insert(decision);
        }
    }
    let mut all = Vec::new();
    for decision in distinct.into_values() {
        all.push(identity(state, request, asker, decision, deadline));
    }
    let have: Result<Vec<_>, _> = stream::iter(all).buffered(AT_ONCE).try_collect().await;
    let have = have.map_err(|refused| (refused, facts.clone()))?;
    if let Some(refused) = stalled(state, request, asker, &decisions) {
        return Err((refused, facts));
    }
    let service_account = first.and_then(|decision| match decision {
        Decision::Identity(choice) => Some(choice.name.to_string()),
        Decision::ServiceAccount { name, .. } => Some(name.clone()),
        Decision::Keep | Decision::Deny(_) => None,
    });
    let picked = Picked {
        service_account,
        not_made: have.iter().any(Option::is_none),
        ..Picked::default()
    };
    Ok((facts, picked))
}

/// Kinds whose pods begin at once. What runs later may find its identity well again.
const BEGIN_AT_ONCE: [&str; 2] = ["Job", "JobSet"];

/// Refuses what would only wait in vain, as others before it: here the reason reaches the person. A pod could not say it, because
/// Metaflow's client without a metadata service hides why a task failed.
fn stalled(
    state: &State,
    request: &Request<'_>,
    asker: &Asker,
    decisions: &[Decision],
) -> Option<Refused> {
    let begins = BEGIN_AT_ONCE.contains(&request.kind.kind.as_str());
    if !begins || request.operation.as_str() != "CREATE" {
        return None;
    }
    decisions.iter().find_map(|decision| {
        let Decision::Identity(choice) = decision else {
            return None;
        };
        let name = choice.name.as_str();
        let why = state.identities.get(&request.namespace, name)?.stalled?;
        let message = format!(
            "identity {name} of {} does not work, and a task has waited for it in vain: {why}; it is tried again every few \
             minutes: start the run again when this is put right",
            asker.requester
        );
        Some(Refused::forbidden(RefusalReason::IdentityFailed, message))
    })
}

fn decide(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    asker: &Asker,
    templates: &[Template<'_>],
) -> Result<Vec<Decision>, Box<(Refused, Facts)>> {
    let facts = |decision: Option<&Decision>| mutate::facts(asker, decision);
    if let (true, Err(refusal)) = (templates.is_empty(), &asker.user) {
        return match context.rules.decision_without_user(refusal.clone()) {
            Decision::Deny(refusal) => Err(Box::new((refusal.into(), facts(None)))),
            _ => Ok(Vec::new()),
        };
    }
    let choose = |template: &Template<'_>| {
        let decision = claims::of_template(template, |said| {
            mutate::choose(context, &request.namespace, asker, said)
        });
        let decision = decision.map_err(|refused| Box::new((refused, facts(None))))?;
        if let Decision::Identity(choice) = &decision {
            node::will_give_identity(context.rules, template, choice.name.as_str())
                .map_err(|refused| Box::new((refused, facts(Some(&decision)))))?;
        }
        Ok(decision)
    };
    let choose = |template: &Template<'_>| {
        choose(template).map_err(|mut refusal: Box<(Refused, Facts)>| {
            if templates.len() > 1 {
                refusal.0.message += &format!(" (pods of {})", template.at);
            }
            refusal
        })
    };
    templates.iter().map(choose).collect()
}

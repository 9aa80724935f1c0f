//! Early evaluation: the rules are asked at the parent for every pod that it would make, so that a refusal meets the
//! person, and so that identities are on their way before the first pod is.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use namesake_core::Decision;

use super::needs::identity;
use crate::claims;
use crate::kinds::Template;
use crate::mutate::{self, Picked, World};
use crate::review::Request;
use crate::state::State;
use crate::twin;
use crate::verdict::{Facts, Refused};
use crate::who::Asker;

/// Calls of the broker at once for one parent.
const AT_ONCE: usize = 8;

// What the pods of a parent will get, or why one of them would be refused.
pub(super) async fn evaluate(
    state: &State,
    world: &World<'_>,
    request: &Request<'_>,
    asker: &Asker,
    templates: &[Template<'_>],
    deadline: Instant,
) -> Result<(Facts, Picked), (Refused, Facts)> {
    let decisions = decide(world, request, asker, templates).map_err(|boxed| *boxed)?;
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

fn decide(
    world: &World<'_>,
    request: &Request<'_>,
    asker: &Asker,
    templates: &[Template<'_>],
) -> Result<Vec<Decision>, Box<(Refused, Facts)>> {
    let facts = |decision: Option<&Decision>| mutate::facts(asker, decision);
    if let (true, Err(refusal)) = (templates.is_empty(), &asker.user) {
        return match world.rules.unmapped(refusal.clone()) {
            Decision::Deny(refusal) => Err(Box::new((refusal.into(), facts(None)))),
            _ => Ok(Vec::new()),
        };
    }
    let choose = |template: &Template<'_>| {
        let decision = claims::of_template(template, |said| {
            mutate::choose(world, &request.namespace, asker, said)
        });
        let decision = decision.map_err(|refused| Box::new((refused, facts(None))))?;
        if let Decision::Identity(choice) = &decision {
            twin::will_give_identity(world.rules, template, choice.name.as_str())
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

//! Early evaluation: the rules decide at the parent about every pod that would be created from it, so that the person sees a
//! refusal, and so that identities are created before the first pod.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use namesake_core::{Decision, Reason};

use super::admission::{Admission, Refusal};
use super::identity;
use crate::decide::kinds::Template;
use crate::decide::mutate::{self, Change};
use crate::decide::pod_model::claims::PodClaims;
use crate::decide::pod_model::{gateway_token, node};
use crate::decide::who::Principal;
use crate::review::refused::Refused;
use crate::review::verdict::{DRY_RUN, Facts, Verdict};

/// The number of identities that are created for one parent, all at once; any others are created with their pods.
const MAX_IDENTITIES: usize = 8;

/// Kinds whose pods start at once.
const START_AT_ONCE: [&str; 2] = ["Job", "JobSet"];

/// The result of early evaluation.
pub(super) struct Early {
    pub(super) facts: Facts,
    /// The KSA that the (first) pods will get.
    pub(super) service_account: Option<String>,
    /// Whether an identity does not exist and was not created.
    pub(super) is_missing: bool,
    /// An identity that does not work, and why.
    pub(super) stalled: Option<(String, Box<str>)>,
}

impl Early {
    /// Nothing is decided about pods yet.
    pub(super) fn undecided(principal: &Principal) -> Self {
        Self {
            facts: mutate::facts(principal, None),
            service_account: None,
            is_missing: false,
            stalled: None,
        }
    }

    /// The verdict that allows the parent with this change.
    pub(super) fn verdict(self, change: Change) -> Verdict {
        let change = Change {
            warning: self.is_missing.then_some(DRY_RUN),
            service_account: self.service_account,
            ..change
        };
        change.into_verdict(self.facts)
    }
}

/// Decides about the pods of a parent with these templates.
///
/// # Errors
/// When one of them would be refused.
pub(super) async fn evaluate(
    admission: &Admission<'_>,
    principal: &Principal,
    templates: &[Template<'_>],
) -> Result<Early, Refusal> {
    let decisions = decide(admission, principal, templates).map_err(|boxed| *boxed)?;
    let early = create_identities(admission, principal, &decisions).await?;
    match &early.stalled {
        Some(stalled) if starts_at_once(admission) => {
            Err((refuse_stalled(principal, stalled), early.facts))
        }
        _ => Ok(early),
    }
}

/// Has the broker create the identities that do not exist yet.
pub(super) async fn create_identities(
    admission: &Admission<'_>,
    principal: &Principal,
    decisions: &[Decision],
) -> Result<Early, Refusal> {
    let first = decisions.first();
    let facts = mutate::facts(principal, first);
    let mut different = BTreeMap::new();
    for decision in decisions {
        if let Decision::Identity(choice) = decision {
            different.entry(choice.name.as_str()).or_insert(decision);
        }
    }
    let (mut names, mut calls) = (Vec::new(), Vec::new());
    for (name, decision) in different.into_iter().take(MAX_IDENTITIES) {
        names.push(name);
        calls.push(identity::available(admission, principal, decision));
    }
    let calls = stream::iter(calls).buffered(MAX_IDENTITIES);
    let available: Result<Vec<_>, _> = calls.try_collect().await;
    let available = available.map_err(|refused| (refused, facts.clone()))?;
    let service_account = first.and_then(|decision| match decision {
        Decision::Identity(choice) => Some(choice.name.to_string()),
        Decision::ServiceAccount { name, .. } => Some(name.clone()),
        Decision::Keep | Decision::Deny(_) => None,
    });
    let is_missing = available.iter().any(Option::is_none);
    let mut each = names.into_iter().zip(available);
    Ok(Early {
        facts,
        service_account,
        is_missing,
        stalled: each.find_map(|(name, found)| Some((name.to_owned(), found?.stalled?))),
    })
}

// Whether pods are created now. For a kind that runs later, the identity may work again by then.
fn starts_at_once(admission: &Admission<'_>) -> bool {
    START_AT_ONCE.contains(&admission.kind.kind) && admission.request.operation.as_str() == "CREATE"
}

// Refuses what would only wait until it times out, as others before it: the person sees the reason here. They would not see it on a
// pod, because Metaflow's client without a metadata service hides why a task failed.
fn refuse_stalled(principal: &Principal, (name, why): &(String, Box<str>)) -> Refused {
    let message = format!(
        "identity {name} of {} does not work, and a task that waited for it timed out: {why}; it is tried again every few minutes: \
         start the run again when this is fixed",
        principal.requester
    );
    Refused::new(Reason::IdentityFailed, message)
}

fn decide(
    admission: &Admission<'_>,
    principal: &Principal,
    templates: &[Template<'_>],
) -> Result<Vec<Decision>, Box<Refusal>> {
    let facts = |decision: Option<&Decision>| mutate::facts(principal, decision);
    let (context, namespace) = (admission.context, &admission.request.namespace);
    if let (true, Err(refusal)) = (templates.is_empty(), &principal.user) {
        return match context.rules.decision_without_user(refusal.clone()) {
            Decision::Deny(refusal) => Err(Box::new((refusal.into(), facts(None)))),
            _ => Ok(Vec::new()),
        };
    }
    let refuse = |mut refused: Refused, facts: Facts, template: &Template<'_>| {
        if templates.len() > 1 {
            refused.message += &format!(" (pods of {})", template.path);
        }
        Box::new((refused, facts))
    };
    let decide_one = |template: &Template<'_>| {
        let claims = PodClaims::of_template(template);
        let decision = mutate::choose(context, namespace, principal, &claims);
        let decision = decision.map_err(|refused| refuse(refused, facts(None), template))?;
        if let Decision::Identity(choice) = &decision {
            node::check_template(&context.rules, template, choice.name.as_str())
                .and_then(|()| match context.rules.mounts_gateway_token() {
                    true => gateway_token::check_template(template),
                    false => Ok(()),
                })
                .map_err(|refused| refuse(refused, facts(Some(&decision)), template))?;
        }
        Ok(decision)
    };
    templates.iter().map(decide_one).collect()
}

//! Early evaluation: whatever would be refused for a pod is refused at the object that a person makes, and identities are
//! asked for now, so that no step's timeout runs out at its gate.

use std::collections::BTreeMap;

use namesake_core::Decision;

use super::Asked;
use crate::admit::needs::identity;
use crate::decide::argo::forbidden;
use crate::decide::argo::pods::{Template, templates};
use crate::decide::mutate;
use crate::decide::pod_model::claims::Said;
use crate::decide::who::Asker;
use crate::review::reason::RefusalReason;
use crate::review::verdict::{Facts, Refused};
use namesake_core::Json;

/// So many different identities are asked for when a template is deployed; any others when their pods come.
const ASKED_FOR: usize = 8;

/// What is known after it.
pub(super) struct Early {
    pub(super) facts: Facts,
    /// Not all identities are there: this is a dry run.
    pub(super) missing: bool,
}

/// Decides about every pod that a spec will make, as whoever it will run as.
pub(super) async fn evaluate(
    asked: &Asked<'_, '_>,
    asker: &Asker,
    spec: &Json<'_>,
) -> Result<Early, (Refused, Facts)> {
    let decisions = decide(asked, asker, spec).map_err(|refused| *refused)?;
    let facts = mutate::facts(asker, decisions.values().next());
    let mut missing = false;
    for decision in decisions.values().take(ASKED_FOR) {
        let have = identity(asked.state, asked.request, asker, decision, asked.deadline).await;
        let have = have.map_err(|refused| (refused, facts.clone()))?;
        missing |= have.is_none() && matches!(decision, Decision::Identity(_));
    }
    Ok(Early { facts, missing })
}

// Different decisions, by the account that each gives.
fn decide(
    asked: &Asked<'_, '_>,
    asker: &Asker,
    spec: &Json<'_>,
) -> Result<BTreeMap<String, Decision>, Box<(Refused, Facts)>> {
    let mut decisions = BTreeMap::new();
    let (mut unknown, mut kept) = (false, false);
    for template in templates(spec).into_iter().filter(Template::makes_pods) {
        if template.is_rendered() {
            unknown = true;
            continue;
        }
        match choose(asked, asker, template) {
            Ok(Decision::Identity(choice)) => {
                decisions.insert(choice.name.to_string(), Decision::Identity(choice));
            }
            Ok(Decision::ServiceAccount { rule, name }) => {
                decisions.insert(name.clone(), Decision::ServiceAccount { rule, name });
            }
            Ok(Decision::Keep | Decision::Deny(_)) => kept = true,
            Err(mut refused) => {
                refused.message += &format!(" (template {})", template.name());
                return Err(Box::new((refused, mutate::facts(asker, None))));
            }
        }
    }
    let powered = unknown || !decisions.is_empty();
    if let Some(found) = forbidden::find(spec).filter(|_| powered || (asker.user.is_ok() && !kept))
    {
        let refused = Refused::forbidden(
            RefusalReason::NotAsSomebody,
            format!(
                "{} of this {} cannot run as {}: {}",
                found.member, asked.kind.kind, asker.requester, found.why
            ),
        );
        return Err(Box::new((
            refused,
            mutate::facts(asker, decisions.values().next()),
        )));
    }
    Ok(decisions)
}

fn choose(
    asked: &Asked<'_, '_>,
    asker: &Asker,
    template: Template<'_, '_>,
) -> Result<Decision, Refused> {
    let said = Said {
        annotation: &|key| template.annotation(key),
        label: &|key| template.label(key),
        account: template.account(),
    };
    mutate::choose(asked.context, &asked.request.namespace, asker, &said)
}

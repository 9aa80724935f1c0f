//! Early evaluation of Argo's specs: what would be refused for a pod is refused at the object that a person creates, and identities
//! are created now, so that no step times out at its gate.

use std::collections::BTreeMap;

use namesake_core::{Decision, Json, Reason};

use crate::admit::admission::{Admission, Refusal};
use crate::admit::early::{Early, create_identities};
use crate::decide::argo::forbidden;
use crate::decide::argo::pods::{ArgoTemplate, templates};
use crate::decide::mutate;
use crate::decide::pod_model::claims::PodClaims;
use crate::decide::who::Principal;
use crate::review::refused::Refused;

/// Decides about every pod that will be created from a spec, as the principal as whom it will run.
pub(super) async fn evaluate(
    admission: &Admission<'_>,
    principal: &Principal,
    spec: &Json<'_>,
) -> Result<Early, Refusal> {
    let decisions = decide(admission, principal, spec).map_err(|refusal| *refusal)?;
    let early = create_identities(admission, principal, &decisions).await?;
    Ok(Early {
        service_account: None,
        ..early
    })
}

// The different decisions, in the order of the accounts that they give.
fn decide(
    admission: &Admission<'_>,
    principal: &Principal,
    spec: &Json<'_>,
) -> Result<Vec<Decision>, Box<Refusal>> {
    let (context, namespace) = (admission.context, &admission.request.namespace);
    let mut decisions = BTreeMap::new();
    let (mut is_any_rendered, mut is_any_kept) = (false, false);
    for template in templates(spec).into_iter().filter(ArgoTemplate::makes_pods) {
        if template.is_rendered() {
            is_any_rendered = true;
            continue;
        }
        let annotation = |key: &str| template.annotation(key);
        let claims = PodClaims::new(annotation, &template, template.account());
        match mutate::choose(context, namespace, principal, &claims) {
            Ok(Decision::Identity(choice)) => {
                decisions.insert(choice.name.to_string(), Decision::Identity(choice));
            }
            Ok(Decision::ServiceAccount { rule, name }) => {
                decisions.insert(name.clone(), Decision::ServiceAccount { rule, name });
            }
            Ok(Decision::Keep | Decision::Deny(_)) => is_any_kept = true,
            Err(mut refused) => {
                refused.message += &format!(" (template {})", template.name());
                return Err(Box::new((refused, mutate::facts(principal, None))));
            }
        }
    }
    let gets_identity = is_any_rendered || !decisions.is_empty();
    let may_get_identity = principal.user.is_ok() && !is_any_kept;
    if let Some(found) = forbidden::find(spec).filter(|_| gets_identity || may_get_identity) {
        let refused = Refused::new(
            Reason::CannotRunAsOneUser,
            format!(
                "{} of this {} cannot run as {}: {}",
                found.member, admission.kind.kind, principal.requester, found.why
            ),
        );
        let facts = mutate::facts(principal, decisions.values().next());
        return Err(Box::new((refused, facts)));
    }
    Ok(decisions.into_values().collect())
}

//! Pods: created, and checked as they will be stored.

use namesake_core::{Decision, Launcher, User};

use super::admission::{Admission, Decided};
use super::argo;
use super::identity;
use super::origin::origin;
use crate::decide::mutate;
use crate::decide::pod_model::claims::PodClaims;
use crate::decide::validate::final_check;
use crate::review::verdict::Verdict;

/// Decides about a new pod.
pub(super) async fn create(admission: &Admission<'_>) -> Decided {
    let (context, request, pod) = (admission.context, admission.request, admission.object);
    let origin = origin(admission, Launcher::Pod, None).await;
    let principal = &origin
        .map_err(|refused| admission.refuse(refused))?
        .principal;
    let refuse = |refused| (refused, mutate::facts(principal, None));
    let keys = argo::pod::check_keys(admission, principal.user()).await;
    keys.map_err(refuse)?;
    let claims = PodClaims::of_pod(pod);
    let decision = mutate::choose(context, &request.namespace, principal, &claims);
    let decision = decision.map_err(refuse)?;
    let facts = mutate::facts(principal, Some(&decision));
    let refuse = |refused| (refused, facts.clone());
    if !matches!(decision, Decision::Keep) {
        argo::pod::check_agent(pod, principal).map_err(refuse)?;
    }
    let available = identity::available(admission, principal, &decision).await;
    let available = available.map_err(refuse)?;
    let change = mutate::pod(context, request, pod, principal, &decision, available);
    let change = change.map_err(refuse)?;
    Ok(change.into_verdict(facts))
}

/// Checks a pod as it will be stored.
pub(super) async fn final_check(admission: &Admission<'_>) -> Verdict {
    let verdict = final_check::check(admission.context, admission.request, admission.object);
    if verdict.result.is_err() {
        return verdict;
    }
    let user = verdict.facts.user.as_deref();
    let user = user.and_then(|user| User::exact(user).ok());
    match argo::pod::check_keys(admission, user.as_ref()).await {
        Ok(()) => verdict,
        Err(refused) => Verdict::refuse(refused, verdict.facts),
    }
}

//! What of Argo's stands on a pod that anybody makes, checked when it is mutated and, as it will be, when it is validated.

use std::time::Instant;

use namesake_core::{Launcher, User};

use super::fetch::{fetch, named, unread};
use crate::decide::argo::object::Object as Whole;
use crate::decide::argo::{custody, pod_keys};
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::Kind;
use crate::decide::who;
use crate::decide::who::Asker;
use crate::review::verdict::{Refused, Verdict};
use crate::review::{Object, Owner, Request};
use crate::state::State;

/// Whose a pod is that Argo makes for a Workflow.
pub(in crate::admit) async fn asker_of_pod(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    (kind, owner): (&'static Kind, &Owner<'_>),
    deadline: Instant,
) -> Result<Asker, Refused> {
    let namespace = request.namespace.as_str();
    let text = fetch(state, namespace, "workflows", &owner.name, deadline).await?;
    let away = |what: &str| unread(&owner.name, what);
    let text = text.ok_or_else(|| away("there is none"))?;
    let workflow: Whole<'_> =
        serde_json::from_str(&text).map_err(|error| away(&error.to_string()))?;
    if workflow.metadata.uid.as_deref() != Some(owner.uid.as_str()) {
        return Err(away("it is another one of the same name"));
    }
    custody::asker(context, namespace, kind, &workflow)
}

/// Checks that Argo would not take a pod for another Workflow's, or for another node. `user`: whose the pod is.
pub(in crate::admit) async fn belongs(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    pod: &Object<'_>,
    user: Option<&User>,
    deadline: Instant,
) -> Result<(), Refused> {
    let asks = who::requester(&request.user_info);
    let by_argo = who::is_carrier(context, &asks, Launcher::Workflow);
    let Some(workflow) = pod_keys::check(&pod.metadata, by_argo)? else {
        return Ok(());
    };
    let (namespace, kind) = (request.namespace.as_str(), named("Workflow"));
    let text = fetch(state, namespace, "workflows", workflow, deadline).await?;
    let (Some(text), Some(kind)) = (text, kind) else {
        return Err(pod_keys::not_its_users(&pod.metadata, workflow));
    };
    let whole: Whole<'_> =
        serde_json::from_str(&text).map_err(|error| unread(workflow, &error.to_string()))?;
    let runs_as = custody::asker(context, namespace, kind, &whole)?;
    let is_theirs = user.is_some() && runs_as.user() == user;
    is_theirs
        .then_some(())
        .ok_or_else(|| pod_keys::not_its_users(&pod.metadata, workflow))
}

/// The same for a pod that the twin has checked.
pub(in crate::admit) async fn checked(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    pod: &Object<'_>,
    verdict: Verdict,
    deadline: Instant,
) -> Verdict {
    if verdict.result.is_err() {
        return verdict;
    }
    let user = verdict.facts.user.as_deref();
    let user = user.and_then(|user| User::exact(user).ok());
    match belongs(state, context, request, pod, user.as_ref(), deadline).await {
        Ok(()) => verdict,
        Err(refused) => Verdict::refuse(refused, verdict.facts),
    }
}

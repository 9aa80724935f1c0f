//! Brings the pod and the Identity to the pure guards. The pod is asked for each time: a name is soon another pod's, and
//! whoever is let into the wrong one is somebody else.

mod adoption;

use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use namesake_core::Launcher;

use super::{asks, just_started, lives_inside, not_loaded, unasked};
use crate::decide::argo::nodes::{NODE_ID, NODE_NAME, node_id};
use crate::decide::context::AdmissionContext;
use crate::decide::mode::Mode;
use crate::decide::mutate::shadow;
use crate::decide::validate::guard::{self, Guarded, RunningPod, WorkflowOfPod};
use crate::decide::who;
use crate::review::reason::RefusalReason;
use crate::review::verdict::{Facts, Refused, Verdict};
use crate::review::{Metadata, Request};
use crate::state::State;

/// Checks one guarded request; also says of which kind it is, for the log and metrics.
pub(super) async fn check(
    state: &State,
    request: &Request<'_, Guarded<'_>>,
    deadline: Instant,
) -> (&'static str, Verdict) {
    let facts = Facts {
        outcome: "guarded",
        ..asks(request)
    };
    let (kind, checked) = decide(state, request, deadline).await;
    let verdict = match checked {
        Ok(account) => Verdict::pass(Facts {
            service_account: account,
            ..facts
        }),
        Err(refused) => Verdict::refuse(refused, facts),
    };
    let shadow = state.rules.get().is_some_and(|rules| {
        state.namespaces.mode(&request.namespace, rules.stack()) == Mode::Shadow
    });
    // Nobody's pod is anything else in shadow; but one that runs as somebody is theirs in every mode.
    if shadow && request.operation.as_str() != "CONNECT" {
        return (kind, shadow::final_check(verdict));
    }
    (kind, verdict)
}

async fn decide(
    state: &State,
    request: &Request<'_, Guarded<'_>>,
    deadline: Instant,
) -> (&'static str, Result<Option<String>, Refused>) {
    let sub_resource = request.sub_resource.as_deref().unwrap_or_default();
    let kind = match (request.operation.as_str(), request.kind.kind.as_str()) {
        ("CONNECT", _) | ("UPDATE", "Pod") => "Pod",
        ("CREATE", "WorkflowTaskResult") => "argoproj.io/WorkflowTaskResult",
        ("CREATE" | "UPDATE", "WorkflowTaskSet") => "argoproj.io/WorkflowTaskSet",
        _ => return ("other", Err(unasked(request))),
    };
    let (Some(rules), Some(keys)) = (state.rules.get(), state.keys()) else {
        return (kind, Err(not_loaded()));
    };
    let info = &request.user_info;
    let known = |name: &str| state.identities.get(&request.namespace, name);
    let acts_for = who::managed(info, &request.namespace, known);
    if matches!(acts_for, Some(Err(_))) && !state.synced.has_identities() {
        return (kind, Err(just_started("the Identities")));
    }
    let opted_in = state.namespaces.get(&request.namespace, rules.stack());
    let context = AdmissionContext {
        rules: &rules,
        keys: &keys,
        now: state.now(),
        epoch: opted_in.as_ref().map_or("", |n| n.epoch.as_str()),
        inside: lives_inside(state, info, rules.stack()),
        acts_for: acts_for.as_ref(),
    };
    let requester = who::requester(info);
    if rules.is_admin(&requester) {
        return (kind, Ok(None));
    }
    if request.operation.as_str() == "UPDATE" && kind == "Pod" {
        let checked = adoption::check(state, &context, request, deadline).await;
        return (kind, checked);
    }
    if kind == "Pod" {
        return (
            kind,
            enter(state, &context, request, sub_resource, deadline).await,
        );
    }
    if who::is_carrier(&context, &requester, Launcher::Workflow) {
        return (kind, Ok(None));
    }
    let fed = feed(state, request, sub_resource, deadline).await;
    (kind, fed.map(|()| None))
}

async fn enter(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_, Guarded<'_>>,
    what: &str,
    deadline: Instant,
) -> Result<Option<String>, Refused> {
    let name = guard::entered(what, request.name.as_deref().unwrap_or_default());
    let Some(pod) = pod(state, &request.namespace, name, deadline).await? else {
        return Err(Refused::forbidden(
            RefusalReason::UnknownPod,
            format!(
                "there is no pod {name} in namespace {}, so nobody knows whose {} would enter: look at its name",
                request.namespace, request.user_info.username
            ),
        ));
    };
    let info = &request.user_info;
    let is_argo = who::is_carrier(context, &who::requester(info), Launcher::Workflow);
    let stops = what == "exec" && request.object.as_ref().is_some_and(guard::is_kill_command);
    if is_argo && stops && pod.workflow.is_some() {
        return Ok(Some(pod.service_account));
    }
    let asker = who::asking(context, info, &Metadata::default(), Launcher::Pod);
    let known = state
        .identities
        .get(&request.namespace, &pod.service_account);
    let user = asker.user();
    let account = &pod.service_account;
    let may_have = |user| {
        let to = (user, &asker.groups);
        let rules = context.rules;
        rules.can_run_as_service_account(account, to, &request.namespace)
    };
    let kept = context.rules.is_reserved_service_account(account);
    let kept = kept.then(|| user.is_some_and(may_have));
    guard::enter(what, &info.username, user, &pod, known.as_ref(), kept)?;
    Ok(Some(pod.service_account))
}

async fn feed(
    state: &State,
    request: &Request<'_, Guarded<'_>>,
    sub_resource: &str,
    deadline: Instant,
) -> Result<(), Refused> {
    let info = &request.user_info;
    let Some(object) = request.object.as_ref().map(|object| &object.metadata) else {
        return Err(unasked(request));
    };
    let is_result = request.kind.kind.as_str() == "WorkflowTaskResult";
    if !is_result && sub_resource != "status" {
        return Err(guard::task_set(info, object));
    }
    let namespace = request.namespace.as_str();
    let pod = match info.pod() {
        Some((name, _)) => pod(state, namespace, name, deadline).await?,
        None => None,
    };
    if is_result {
        guard::result(info, namespace, object, pod.as_ref())
    } else {
        guard::task_set_status(info, namespace, object, pod.as_ref())
    }
}

async fn pod(
    state: &State,
    namespace: &str,
    name: &str,
    deadline: Instant,
) -> Result<Option<RunningPod>, Refused> {
    let away = |what: String| {
        let text = format!("pod {name}, whose this is about, could not be read: {what}; try again");
        Refused::later(RefusalReason::PodUnknown, text)
    };
    let client = state
        .cluster()
        .ok_or_else(|| away("there is no API server".to_owned()))?;
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    match tokio::time::timeout_at(deadline.into(), pods.get_opt(name)).await {
        Ok(Ok(found)) => Ok(found.map(running)),
        Ok(Err(error)) => Err(away(error.to_string())),
        Err(_) => Err(away("the API server did not answer in time".to_owned())),
    }
}

fn running(pod: Pod) -> RunningPod {
    let owners = pod.metadata.owner_references.iter().flatten();
    let mut workflows = owners.filter(|o| {
        o.controller == Some(true)
            && o.kind == "Workflow"
            && o.api_version.starts_with("argoproj.io/")
    });
    let workflow = workflows.next().map(|o| WorkflowOfPod {
        name: o.name.clone(),
        uid: o.uid.clone(),
    });
    // Both as Argo made them: the policy namesake-argo-pods keeps them so.
    let annotation = |key: &str| pod.annotations().get(key);
    let named = workflow.as_ref().zip(annotation(NODE_NAME));
    let node = named.map(|(workflow, name)| node_id(&workflow.name, name));
    let node = node.filter(|id| annotation(NODE_ID) == Some(id));
    RunningPod {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        service_account: pod
            .spec
            .and_then(|spec| spec.service_account_name)
            .unwrap_or_default(),
        workflow,
        node,
    }
}

//! Reads the pod and the Identity for the pure guards. The pod is read from the API server each time: its name may soon belong to
//! another pod, and a check of the wrong pod would admit another user.

mod adoption;

use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use namesake_api::names::{ARGO_NODE_ID_ANNOTATION, ARGO_NODE_NAME_ANNOTATION};
use namesake_core::{Launcher, Reason, is_managed_name};

use super::Call;
use super::admission::{context, unexpected};
use super::find_identity;
use super::find_parent::get_within;
use crate::decide::argo::GROUP;
use crate::decide::argo::nodes::node_id;
use crate::decide::context::AdmissionContext;
use crate::decide::known::KnownIdentity;
use crate::decide::mode::Mode;
use crate::decide::mutate::shadow;
use crate::decide::validate::guarded::{Guarded, RunningPod, WorkflowOfPod};
use crate::decide::validate::{enter, results};
use crate::decide::who;
use crate::review::outcome::Outcome;
use crate::review::refused::Refused;
use crate::review::verdict::{Facts, Verdict};
use crate::review::{Metadata, Request};
use crate::state::State;

/// A guarded request, and what its check depends on.
struct Guard<'a> {
    state: &'a State,
    context: &'a AdmissionContext,
    request: &'a Request<'a, Guarded<'a>>,
    deadline: Instant,
}

/// Checks one guarded request; also returns the name of its kind, for the log and metrics.
pub(super) async fn check(
    call: &Call<'_>,
    request: &Request<'_, Guarded<'_>>,
) -> (&'static str, Verdict) {
    let operation = request.operation.as_str();
    let kind = match (operation, request.kind.kind.as_str()) {
        ("CONNECT", _) | ("UPDATE", "Pod") => "Pod",
        ("CREATE", "WorkflowTaskResult") => "argoproj.io/WorkflowTaskResult",
        ("CREATE" | "UPDATE", "WorkflowTaskSet") => "argoproj.io/WorkflowTaskSet",
        _ => "other",
    };
    let facts = Facts::of_requester(&request.user_info.username, Outcome::Guarded);
    let verdict = match decide(call, request, kind).await {
        Ok(service_account) => Verdict::pass(Facts {
            service_account,
            ..facts
        }),
        Err(refused) => Verdict::refuse(refused, facts),
    };
    // In shadow mode too, only its user may enter a pod that has an identity.
    if operation != "CONNECT" && call.state.mode(&request.namespace) == Mode::Shadow {
        return (kind, shadow::final_check(verdict));
    }
    (kind, verdict)
}

// The service account of the pod that a permitted request is about, as far as that was read.
async fn decide(
    call: &Call<'_>,
    request: &Request<'_, Guarded<'_>>,
    kind: &str,
) -> Result<Option<String>, Refused> {
    if kind == "other" {
        return Err(unexpected(request));
    }
    let context = context(call, request).await?;
    let requester = who::requester(&request.user_info);
    if context.rules.is_admin(&requester) {
        return Ok(None);
    }
    let guard = Guard {
        state: call.state,
        context: &context,
        request,
        deadline: call.deadline,
    };
    match (kind, request.operation.as_str()) {
        ("Pod", "UPDATE") => adoption::check(&guard).await.map(Some),
        ("Pod", _) => guard.check_enter().await.map(Some),
        _ if who::is_carrier(&context, &requester, Launcher::Workflow) => Ok(None),
        _ => guard.check_result().await.map(|()| None),
    }
}

impl Guard<'_> {
    async fn check_enter(&self) -> Result<String, Refused> {
        let (context, request) = (self.context, self.request);
        let (info, namespace) = (&request.user_info, &request.namespace);
        let what = request.sub_resource.as_deref().unwrap_or_default();
        let name = enter::pod_name(what, request.name.as_deref().unwrap_or_default());
        let Some(pod) = self.pod(name).await? else {
            return Err(Refused::new(
                Reason::PodNotFound,
                format!(
                    "there is no pod {name} in namespace {namespace}, so it is not known as whom {} would act in it: check its name",
                    info.username
                ),
            ));
        };
        let is_argo = who::is_carrier(context, &who::requester(info), Launcher::Workflow);
        let is_kill = request.object.as_ref().is_some_and(enter::is_kill_command);
        if is_argo && what == "exec" && is_kill && pod.workflow.is_some() {
            return Ok(pod.service_account);
        }
        let principal = who::requesting(context, info, &Metadata::default(), Launcher::Pod);
        let (user, account) = (principal.user(), &pod.service_account);
        let known = self.identity(account).await?;
        let gives_to = |user| {
            let to = (user, &principal.groups);
            context
                .rules
                .can_run_as_service_account(account, to, namespace)
        };
        let is_reserved = context.rules.is_reserved_service_account(account);
        let is_given = is_reserved.then(|| user.is_some_and(gives_to));
        enter::check(what, &info.username, user, &pod, known.as_ref(), is_given)?;
        Ok(pod.service_account)
    }

    /// The Identity whose service account this is, if there is one.
    async fn identity(&self, account: &str) -> Result<Option<KnownIdentity>, Refused> {
        if !is_managed_name(account) {
            return Ok(None);
        }
        let identity = (
            self.context.rules.stack(),
            &*self.request.namespace,
            account,
        );
        find_identity::find(self.state, identity, self.deadline).await
    }

    async fn check_result(&self) -> Result<(), Refused> {
        let request = self.request;
        let (info, namespace) = (&request.user_info, &request.namespace);
        let Some(object) = request.object.as_ref().map(|object| &object.metadata) else {
            return Err(unexpected(request));
        };
        let is_result = request.kind.kind.as_str() == "WorkflowTaskResult";
        if !is_result && request.sub_resource.as_deref() != Some("status") {
            return Err(results::foreign_task_set(info, object));
        }
        let pod = match info.pod() {
            Some((name, _)) => self.pod(name).await?,
            None => None,
        };
        if is_result {
            results::check_result(info, namespace, object, pod.as_ref())
        } else {
            results::check_task_set_status(info, namespace, object, pod.as_ref())
        }
    }

    async fn pod(&self, name: &str) -> Result<Option<RunningPod>, Refused> {
        let failed = |why: &str| {
            let text =
                format!("pod {name}, which this is about, could not be read: {why}; try again");
            Refused::new(Reason::PodLookupFailed, text)
        };
        let client = self.state.cluster.as_ref();
        let client = client.ok_or_else(|| failed("there is no API server"))?;
        let pods = Api::<Pod>::namespaced(client.clone(), &self.request.namespace);
        let found = get_within(self.deadline, pods.get_opt(name)).await;
        let found = found.map_err(|error| failed(&error))?;
        Ok(found.flatten().as_ref().map(running))
    }
}

fn running(pod: &Pod) -> RunningPod {
    let owners = pod.metadata.owner_references.iter().flatten();
    let mut workflows = owners.filter(|o| {
        let group = o.api_version.split_once('/').map(|(group, _)| group);
        o.controller == Some(true) && o.kind == "Workflow" && group == Some(GROUP)
    });
    let workflow = workflows.next().map(|o| WorkflowOfPod {
        name: o.name.clone(),
        uid: o.uid.clone(),
    });
    // Both as Argo wrote them: the policy namesake-argo-pods keeps them so.
    let annotation = |key: &str| pod.annotations().get(key);
    let named = workflow.as_ref().zip(annotation(ARGO_NODE_NAME_ANNOTATION));
    let node = named.map(|(workflow, name)| node_id(&workflow.name, name));
    let node = node.filter(|id| annotation(ARGO_NODE_ID_ANNOTATION) == Some(id));
    let account = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.service_account_name.clone());
    RunningPod {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        service_account: account.unwrap_or_default(),
        workflow,
        node,
    }
}

//! Objects of Argo Workflows: stamped and refused early when they are made, restored and signed again when they change.

mod adopt;
mod create;
mod early;
mod pod;
mod same_name;
mod update;

use std::time::Instant;

use kube::api::GetParams;
use kube::core::Request as Path;
use namesake_core::{Launcher, Node, Stamp};

use super::trees::Trees;
use super::{Decided, asks, unasked};

pub(super) use pod::{belongs, checked};

use crate::argo::object::Object as Whole;
use crate::argo::reference::Reference;
use crate::argo::{AGENT, GROUP, Role, custody};
use crate::kinds::{self, Kind};
use crate::mutate::World;
use crate::reason::RefusalReason;
use crate::review::{GroupVersionKind, Object, Owner, Request};
use crate::state::State;
use crate::verdict::Refused;
use crate::who::Asker;

/// One request about an object of Argo, and what decides it.
pub(super) struct Asked<'r, 'b> {
    pub(super) state: &'r State,
    pub(super) world: &'r World<'r>,
    pub(super) request: &'r Request<'r>,
    pub(super) object: &'r Object<'r>,
    pub(super) trees: &'r Trees<'b>,
    pub(super) deadline: Instant,
    pub(super) kind: &'static Kind,
    pub(super) role: Role,
}

/// Answers it.
pub(super) async fn admit(asked: &Asked<'_, '_>) -> Decided {
    match asked.request.operation.as_str() {
        "UPDATE" => update::update(asked).await,
        "CREATE" => create::create(asked).await,
        _ => Err((unasked(asked.request), asks(asked.request))),
    }
}

/// Whose a pod is that Argo makes for a Workflow.
pub(super) async fn asker_of_pod(
    state: &State,
    world: &World<'_>,
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
    custody::asker(world, namespace, kind, &workflow)
}

/// An agent makes calls for anybody who can write a WorkflowTaskSet: it acts as nobody.
pub(super) fn agent(pod: &Object<'_>, asker: &Asker) -> Option<Refused> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let is_agents = asker.launcher == Launcher::Workflow && name.ends_with(AGENT);
    is_agents.then(|| {
        Refused::forbidden(
            RefusalReason::AgentPod,
            format!(
                "{name} is Argo's agent, which makes the calls of http and plugin templates for whoever can write its \
                 WorkflowTaskSet, so it gets no identity of {}: make the calls in a container",
                asker.requester
            ),
        )
    })
}

/// What is known of a template that a Workflow names.
pub(super) struct Template {
    /// The object, as the API server wrote it.
    pub(super) text: String,
    pub(super) kind: &'static Kind,
}

impl Template {
    /// Its stamp, if it counts.
    pub(super) fn stamp(&self, world: &World<'_>, namespace: &str) -> Option<Stamp> {
        Some(self.proven(world, namespace)?.0)
    }

    /// Its stamp, if it counts, and its spec.
    pub(super) fn proven(&self, world: &World<'_>, namespace: &str) -> Option<(Stamp, Node<'_>)> {
        let whole: Whole<'_> = serde_json::from_str(&self.text).ok()?;
        let stamp = whole.stamp(world, home(self.kind, namespace), self.kind)?;
        Some((stamp.ok()?, whole.spec))
    }
}

/// The template that a Workflow names; `None` if there is none.
pub(super) async fn template(
    asked: &Asked<'_, '_>,
    reference: Reference<'_>,
) -> Result<Option<Template>, Refused> {
    let (kind, plural) = if reference.cluster_scope {
        ("ClusterWorkflowTemplate", "clusterworkflowtemplates")
    } else {
        ("WorkflowTemplate", "workflowtemplates")
    };
    let Some(kind) = named(kind) else {
        return Ok(None);
    };
    let namespace = home(kind, &asked.request.namespace);
    let text = fetch(
        asked.state,
        namespace,
        plural,
        reference.name,
        asked.deadline,
    )
    .await?;
    Ok(text.map(|text| Template { text, kind }))
}

/// The entry of a kind of Argo's.
pub(super) fn named(kind: &str) -> Option<&'static Kind> {
    kinds::find(&GroupVersionKind {
        group: GROUP.into(),
        version: "v1alpha1".into(),
        kind: kind.into(),
    })
}

/// The namespace that the stamp of an object of this kind names; none for what is in no namespace.
pub(super) fn home<'n>(kind: &Kind, namespace: &'n str) -> &'n str {
    if kind.kind == "ClusterWorkflowTemplate" {
        ""
    } else {
        namespace
    }
}

/// One object as text, by one GET: what Argo runs changes while it runs, so memory would be behind.
pub(super) async fn fetch(
    state: &State,
    namespace: &str,
    plural: &str,
    name: &str,
    deadline: Instant,
) -> Result<Option<String>, Refused> {
    let Some(client) = state.cluster() else {
        return Err(unread(name, "the API server is not known here"));
    };
    state.metrics.parent_fetches.inc();
    let path = match namespace {
        "" => format!("/apis/{GROUP}/v1alpha1/{plural}"),
        namespace => format!("/apis/{GROUP}/v1alpha1/namespaces/{namespace}/{plural}"),
    };
    let get = Path::new(path).get(name, &GetParams::default());
    let get = get.map_err(|error| unread(name, &error.to_string()))?;
    match tokio::time::timeout_at(deadline.into(), client.request_text(get)).await {
        Ok(Ok(text)) => Ok(Some(text)),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(None),
        Ok(Err(error)) => Err(unread(name, &error.to_string())),
        Err(_) => Err(unread(name, "the API server did not answer in time")),
    }
}

/// What may pass by itself: an object that could not be read.
fn needs_later(name: &str, what: &str) -> Refused {
    let text = format!("{name} could not be read: {what}; the controller tries again by itself");
    Refused::later(RefusalReason::ParentUnknown, text)
}

fn unread(name: &str, what: &str) -> Refused {
    let text = format!(
        "{name} of Argo could not be read: {what}; try again in a minute, controllers do so by themselves"
    );
    Refused::later(RefusalReason::ParentUnknown, text)
}

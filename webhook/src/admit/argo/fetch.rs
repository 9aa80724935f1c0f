//! Objects of Argo, as the API server has them now.

use std::time::Instant;

use kube::api::GetParams;
use kube::core::Request as Path;
use namesake_core::{Json, Stamp};

use crate::decide::argo::GROUP;
use crate::decide::argo::object::Object as Whole;
use crate::decide::argo::reference::Reference;
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{self, Kind};
use crate::review::GroupVersionKind;
use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;
use crate::state::State;

/// What is known of a template that a Workflow names.
pub(in crate::admit) struct Template {
    /// The object, as the API server wrote it.
    pub(in crate::admit) text: String,
    pub(in crate::admit) kind: &'static Kind,
}

impl Template {
    /// Its stamp, if it counts.
    pub(in crate::admit) fn stamp(
        &self,
        context: &AdmissionContext<'_>,
        namespace: &str,
    ) -> Option<Stamp> {
        Some(self.proven(context, namespace)?.0)
    }

    /// Its stamp, if it counts, and its spec.
    pub(in crate::admit) fn proven(
        &self,
        context: &AdmissionContext<'_>,
        namespace: &str,
    ) -> Option<(Stamp, Json<'_>)> {
        let whole: Whole<'_> = serde_json::from_str(&self.text).ok()?;
        let stamp = whole.stamp(context, home(self.kind, namespace), self.kind)?;
        Some((stamp.ok()?, whole.spec))
    }
}

/// The template that a Workflow names; `None` if there is none.
pub(in crate::admit) async fn template(
    state: &State,
    namespace: &str,
    reference: Reference<'_>,
    deadline: Instant,
) -> Result<Option<Template>, Refused> {
    let (kind, plural) = if reference.cluster_scope {
        ("ClusterWorkflowTemplate", "clusterworkflowtemplates")
    } else {
        ("WorkflowTemplate", "workflowtemplates")
    };
    let Some(kind) = named(kind) else {
        return Ok(None);
    };
    let namespace = home(kind, namespace);
    let text = fetch(state, namespace, plural, reference.name, deadline).await?;
    Ok(text.map(|text| Template { text, kind }))
}

/// The entry of a kind of Argo's.
pub(in crate::admit) fn named(kind: &str) -> Option<&'static Kind> {
    kinds::find(&GroupVersionKind {
        group: GROUP.into(),
        version: "v1alpha1".into(),
        kind: kind.into(),
    })
}

/// The namespace that the stamp of an object of this kind names; none for what is in no namespace.
pub(in crate::admit) fn home<'n>(kind: &Kind, namespace: &'n str) -> &'n str {
    if kind.kind == "ClusterWorkflowTemplate" {
        ""
    } else {
        namespace
    }
}
/// One object as text, by one GET: what Argo runs changes while it runs, so memory would be behind.
pub(in crate::admit) async fn fetch(
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
pub(super) fn needs_later(name: &str, what: &str) -> Refused {
    let text = format!("{name} could not be read: {what}; the controller tries again by itself");
    Refused::later(RefusalReason::ParentUnknown, text)
}

pub(super) fn unread(name: &str, what: &str) -> Refused {
    let text = format!(
        "{name} of Argo could not be read: {what}; try again in a minute, controllers do so by themselves"
    );
    Refused::later(RefusalReason::ParentUnknown, text)
}

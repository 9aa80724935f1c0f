//! Objects of Argo, as the API server has them now: what Argo runs changes while it runs, so memory would be behind.

use kube::api::{GetParams, ListParams};
use kube::core::{ObjectList, PartialObjectMeta, Request as ApiRequest};
use namesake_core::{Json, Reason, Stamp};

use crate::admit::admission::Admission;
use crate::admit::find_parent::get_within;
use crate::decide::argo::object::ArgoObject;
use crate::decide::argo::reference::Reference;
use crate::decide::argo::{GROUP, custody};
use crate::decide::kinds::{self, Kind};
use crate::decide::who::{Principal, stamp};
use crate::review::refused::Refused;

/// An object of Argo, as the API server sent it.
pub(super) struct Fetched {
    text: String,
    pub(super) kind: &'static Kind,
    name: String,
}

impl Fetched {
    /// The object.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn object(&self) -> Result<ArgoObject<'_>, Refused> {
        serde_json::from_str(&self.text).map_err(|error| unreadable(&self.name, &error.to_string()))
    }

    /// Its stamp, if that is valid, and its spec.
    pub(super) fn stamp_and_spec(&self, admission: &Admission<'_>) -> Option<(Stamp, Json<'_>)> {
        let object = self.object().ok()?;
        let (context, namespace) = (admission.context, &admission.request.namespace);
        let stamp = stamp::of_metadata(context, namespace, self.kind, &object.metadata)?;
        Some((stamp.ok()?, object.spec))
    }

    /// The principal of the pods of this Workflow.
    ///
    /// # Errors
    /// The Workflow has no proven requester, or it is not known yet as whom it runs.
    pub(super) fn principal_of_pods(
        &self,
        admission: &Admission<'_>,
    ) -> Result<Principal, Refused> {
        let (context, namespace) = (admission.context, &admission.request.namespace);
        custody::principal(context, namespace, self.kind, &self.object()?)
    }
}

/// The template that a Workflow names; `None` if it does not exist.
pub(super) async fn template(
    admission: &Admission<'_>,
    reference: Reference<'_>,
) -> Result<Option<Fetched>, Refused> {
    let kind = match reference.cluster_scope {
        true => "argoproj.io/ClusterWorkflowTemplate",
        false => "argoproj.io/WorkflowTemplate",
    };
    fetch(admission, kind, reference.name).await
}

/// The Workflow of this name; `None` if it does not exist.
pub(super) async fn workflow(
    admission: &Admission<'_>,
    name: &str,
) -> Result<Option<Fetched>, Refused> {
    fetch(admission, "argoproj.io/Workflow", name).await
}

/// One object by the name of its kind and its own, by one GET; `None` if it does not exist.
pub(super) async fn fetch(
    admission: &Admission<'_>,
    kind: &str,
    name: &str,
) -> Result<Option<Fetched>, Refused> {
    let Some((kind, _)) = kinds::named(kind) else {
        return Ok(None);
    };
    let Some(client) = &admission.state.cluster else {
        return Err(unreadable(name, "there is no API server"));
    };
    admission.state.metrics.parent_fetches.inc();
    let (version, plural) = (kind.version, kind.plural);
    let path = match kind.stamp_namespace(&admission.request.namespace) {
        "" => format!("/apis/{GROUP}/{version}/{plural}"),
        namespace => format!("/apis/{GROUP}/{version}/namespaces/{namespace}/{plural}"),
    };
    let get = ApiRequest::new(path).get(name, &GetParams::default());
    let get = get.map_err(|error| unreadable(name, &error.to_string()))?;
    let text = get_within(admission.deadline, client.request_text(get)).await;
    let text = text.map_err(|error| unreadable(name, &error))?;
    Ok(text.map(|text| Fetched {
        text,
        kind,
        name: name.to_owned(),
    }))
}

/// The name of the first object with this label; `None` if there is none.
pub(super) async fn first_with_label(
    admission: &Admission<'_>,
    (api, plural): (&str, &str),
    label: &str,
) -> Result<Option<String>, Refused> {
    let Some(client) = &admission.state.cluster else {
        return Err(unreadable(plural, "there is no API server"));
    };
    let namespace = &admission.request.namespace;
    let list = ApiRequest::new(format!("{api}/namespaces/{namespace}/{plural}"));
    let list = list.list(&ListParams::default().labels(label).limit(1));
    let list = list.map_err(|error| unreadable(plural, &error.to_string()))?;
    let call = async {
        match client.request::<ObjectList<PartialObjectMeta>>(list).await {
            // A value that a label cannot have: no object has it.
            Err(kube::Error::Api(status)) if status.code == 400 => Ok(None),
            answer => answer.map(Some),
        }
    };
    // 404: Argo is not installed.
    let found = get_within(admission.deadline, call).await;
    let found = found.map_err(|error| unreadable(plural, &error))?;
    let first = found
        .flatten()
        .and_then(|list| list.items.into_iter().next());
    Ok(first.map(|item| item.metadata.name.unwrap_or_default()))
}

/// The refusal, for now, because of an object that could not be read.
pub(super) fn unreadable(name: &str, why: &str) -> Refused {
    let text = format!(
        "{name} of Argo could not be read: {why}; try again in a minute, controllers do so by themselves"
    );
    Refused::new(Reason::ParentLookupFailed, text)
}

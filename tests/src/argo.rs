//! Argo Workflows without its controller, which is in no package registry: its kinds, its account, and what it writes,
//! replayed as it was seen to write it. Proven by replay, not by the controller itself.

use anyhow::{Context, Result, ensure};
use k8s_openapi::{
    api::{authorization::v1::SelfSubjectAccessReview, core::v1::Pod},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use namesake_webhook::argo::nodes::node_id;
use serde_json::{Map, Value, json};

use crate::{
    cluster::ARGO_NAMESPACE, eventually::eventually, manifests, namespace::TestNamespace,
    person::Person,
};

/// What stock Metaflow deploys for a flow with a foreach.
const TEMPLATE: &str = include_str!("../../webhook/testdata/argo-workflowtemplate.json");
/// Name of the template that tests deploy.
pub const FLOW: &str = "trainflow";

/// A kind of Argo's.
#[must_use]
pub fn kind(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", kind))
}

/// Waits until the API server serves the kinds.
pub(crate) async fn served(client: &Client) -> Result<()> {
    let kinds: Api<CustomResourceDefinition> = Api::all(client.clone());
    eventually("Argo's kinds are served", async || {
        let last = kinds.get("workflowtasksets.argoproj.io").await?;
        let conditions = last.status.and_then(|s| s.conditions).unwrap_or_default();
        let established = conditions
            .iter()
            .any(|c| c.type_ == "Established" && c.status == "True");
        ensure!(established, "{conditions:?}");
        Ok(())
    })
    .await
}

/// The WorkflowTemplate of the flow.
#[must_use]
pub fn template() -> Value {
    let mut template: Value = serde_json::from_str(TEMPLATE).unwrap_or_default();
    template["metadata"]["name"] = json!(FLOW);
    template["metadata"]
        .as_object_mut()
        .map(|metadata| metadata.remove("namespace"));
    template
}

/// The Workflow that `argo-workflows trigger` makes.
#[must_use]
pub fn trigger() -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": {
            "generateName": format!("{FLOW}-"),
            "annotations": {"metaflow/triggered_by_user": r#"{"type":"user","name":"alice@acme.com"}"#}},
        "spec": {"arguments": {"parameters": []}, "workflowTemplateRef": {"name": FLOW}},
    })
}

/// A Workflow with a spec of its own: the flow's.
#[must_use]
pub fn inline() -> Value {
    let mut workflow = trigger();
    workflow["spec"] = template()["spec"].clone();
    workflow
}

/// A spec as Argo writes it back: decoded, merged with a reference, and without what Go's encoder leaves out.
#[must_use]
pub fn as_stored(spec: &Value) -> Value {
    let mut stored = spec.clone();
    forget(&mut stored);
    stored["arguments"] = json!({});
    stored["workflowTemplateRef"] = json!({"name": FLOW});
    for template in stored["templates"].as_array_mut().into_iter().flatten() {
        for part in ["inputs", "outputs", "metadata"] {
            if template.get(part).is_none() {
                template[part] = json!({});
            }
        }
    }
    stored
}

fn forget(value: &mut Value) {
    let empty = |v: &Value| {
        v.is_null()
            || v.as_str() == Some("")
            || v.as_array().is_some_and(Vec::is_empty)
            || v.as_object().is_some_and(Map::is_empty)
    };
    match value {
        Value::Object(all) => {
            all.values_mut().for_each(forget);
            all.retain(|name, v| name == "emptyDir" || !empty(v));
        }
        Value::Array(all) => all.iter_mut().for_each(forget),
        _ => {}
    }
}

/// Somebody makes an object of Argo's.
///
/// # Errors
/// The API server refuses.
pub async fn creates(person: &Person, object: &Value) -> kube::Result<DynamicObject> {
    let kind = kind(object["kind"].as_str().unwrap_or_default());
    let object = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
    person
        .objects(&kind)
        .create(&PostParams::default(), &object)
        .await
}

/// Somebody changes an object of Argo's by a merge patch.
///
/// # Errors
/// The API server refuses.
pub async fn patches(
    person: &Person,
    of: &str,
    name: &str,
    patch: Value,
) -> kube::Result<DynamicObject> {
    let objects = person.objects(&kind(of));
    objects
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
}

/// The ClusterRoleBinding by which Argo's account is a carrier, once a test has Argo's controller on its cluster.
pub const CARRIER_BINDING: &str = "argo-is-a-carrier";

/// Argo's controller, at work in a namespace.
pub struct Controller(pub Person);

impl Controller {
    /// With a token of its own, and bound to `namesake-carrier` as docs/install-gke.md says.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn of(ns: &TestNamespace) -> Result<Self> {
        let cluster = ns.stack.cluster();
        let controller = cluster
            .service_account(ARGO_NAMESPACE, "argo", &ns.name)
            .await?;
        let group = "rbac.authorization.k8s.io";
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": CARRIER_BINDING},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "namesake-carrier"},
            "subjects": [{"kind": "ServiceAccount", "name": "argo", "namespace": ARGO_NAMESPACE}]});
        let admin = ns.admin().await?;
        manifests::apply(admin.client(), &binding, &ns.name, false).await?;
        let carries: SelfSubjectAccessReview =
            serde_json::from_value(json!({"spec": {"resourceAttributes": {
            "group": "namesake.dev", "resource": "identities", "verb": "carry"}}}))?;
        eventually("Argo's account is a carrier", async || {
            let reviews = Api::all(controller.client().clone());
            let answer = reviews.create(&PostParams::default(), &carries).await?;
            ensure!(
                answer.status.is_some_and(|status| status.allowed),
                "not yet"
            );
            Ok(())
        })
        .await?;
        Ok(Self(controller))
    }

    /// Makes the pod of a step.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn makes_pod(&self, workflow: &DynamicObject, step: &str) -> kube::Result<Pod> {
        self.makes(pod(workflow, step)).await
    }

    /// Makes a pod.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn makes(&self, pod: Value) -> kube::Result<Pod> {
        let pod: Pod = serde_json::from_value(pod).map_err(kube::Error::SerdeError)?;
        self.0.creates(pod).await
    }

    /// Stores what a Workflow runs, and how far it is: the controller's first update.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn stores(
        &self,
        workflow: &DynamicObject,
        spec: &Value,
    ) -> kube::Result<DynamicObject> {
        let status = json!({
            "phase": "Running", "startedAt": "2026-11-26T00:00:00Z", "nodes": {"n": {"phase": "Pending"}},
            "storedWorkflowTemplateSpec": as_stored(spec),
        });
        let labels = json!({"workflows.argoproj.io/phase": "Running", "workflows.argoproj.io/workflow-template": FLOW});
        let metadata = json!({"labels": labels, "annotations": {"workflows.argoproj.io/pod-name-format": "v2"}});
        self.updates(workflow, json!({"metadata": metadata, "status": status}))
            .await
    }

    /// Updates a Workflow.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn updates(
        &self,
        workflow: &DynamicObject,
        patch: Value,
    ) -> kube::Result<DynamicObject> {
        patches(&self.0, "Workflow", &workflow.name_any(), patch).await
    }
}

/// The pod that Argo makes for a step of a Workflow.
#[must_use]
pub fn pod(workflow: &DynamicObject, step: &str) -> Value {
    let name = workflow.name_any();
    let spec = template()["spec"].take();
    let of_step = |template: &&Value| template["name"] == step;
    let found = spec["templates"]
        .as_array()
        .into_iter()
        .flatten()
        .find(of_step)
        .cloned();
    let found = found.unwrap_or_default();
    let mut annotations = spec["podMetadata"]["annotations"].clone();
    for (key, value) in found["metadata"]["annotations"]
        .as_object()
        .into_iter()
        .flatten()
    {
        annotations[key] = value.clone();
    }
    annotations["metaflow/run_id"] = json!(format!("argo-{name}"));
    let node = format!("{name}.{step}");
    annotations["workflows.argoproj.io/node-id"] = json!(node_id(&name, &node));
    annotations["workflows.argoproj.io/node-name"] = json!(node);
    let main = json!({"name": "main", "image": "python:3.11", "command": ["/var/run/argo/argoexec", "emissary"]});
    json!({
        "metadata": {
            "name": format!("{name}-{step}-{}", workflow.resource_version().unwrap_or_default()),
            "labels": {"workflows.argoproj.io/completed": "false", "workflows.argoproj.io/workflow": name},
            "annotations": annotations,
            "ownerReferences": [owner(workflow, "Workflow")]},
        "spec": {
            "restartPolicy": "Never", "serviceAccountName": found["serviceAccountName"],
            "initContainers": [{"name": "init", "image": "argoexec"}],
            "containers": [{"name": "wait", "image": "argoexec"}, main]},
    })
}

/// The result of a step, as the executor in its pod creates it since Argo 3.5.2.
#[must_use]
pub fn result_of(workflow: &DynamicObject, pod: &Pod) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTaskResult",
        "metadata": {
            "name": pod.annotations().get("workflows.argoproj.io/node-id"),
            "labels": {
                "workflows.argoproj.io/workflow": workflow.name_any(),
                "workflows.argoproj.io/report-outputs-completed": "false"},
            "ownerReferences": [{
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": workflow.name_any(), "uid": workflow.uid()}]},
    })
}

/// The owner reference that Argo writes.
#[must_use]
pub fn owner(object: &DynamicObject, kind: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": kind, "name": object.name_any(), "uid": object.uid(),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// A Workflow as it is now.
///
/// # Errors
/// It is gone.
pub async fn now(person: &Person, workflow: &DynamicObject) -> Result<DynamicObject> {
    let found = person
        .objects(&kind("Workflow"))
        .get_opt(&workflow.name_any())
        .await?;
    found.with_context(|| format!("{} is gone", workflow.name_any()))
}

//! Argo Workflows with a test in place of its controller: it writes recorded objects with the controller's account. This is for
//! moments that cannot be timed, and failures that cannot be provoked, with the real controller in [`crate::controllers::argo`].

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{authorization::v1::SelfSubjectAccessReview, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use namesake_sandbox::kubernetes::argo::CARRIER_BINDING;
use namesake_webhook::decide::argo::nodes::node_id;
use serde_json::{Map, Value, json};

use crate::{
    cluster::{ARGO_NAMESPACE, manifests, person::Person},
    controllers::recorded::{
        FOREACH, PARALLEL_ON_ARGO, TRIGGER, as_sent, created, first_added, renamed,
    },
    eventually::eventually,
    namespace::TestNamespace,
};

/// The name of the template that tests deploy.
pub const FLOW: &str = "trainflow";
/// The service account of its steps (METAFLOW_KUBERNETES_SERVICE_ACCOUNT), which was not set in the recording.
const ACCOUNT: &str = "metaflow";
/// The step whose pod creates the `JobSet` of a `@parallel` step; its template names no service account.
pub const RESOURCE_STEP: &str = "train";

/// An Argo kind.
#[must_use]
pub fn kind(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", kind))
}

/// The WorkflowTemplate that stock Metaflow deploys for a flow with a foreach.
#[must_use]
pub fn template() -> Value {
    let recorded = created(&FOREACH, "workflowtemplates").next();
    let mut template = recorded.map_or(Value::Null, as_sent);
    let steps = template["spec"]["templates"].as_array_mut();
    for step in steps.into_iter().flatten() {
        if step.get("container").is_some() {
            step["serviceAccountName"] = json!(ACCOUNT);
        }
    }
    template
}

/// The Workflow that `argo-workflows trigger` creates.
#[must_use]
pub fn trigger() -> Value {
    let recorded = created(&TRIGGER, "workflows").next();
    recorded.map_or(Value::Null, |workflow| {
        renamed(&as_sent(workflow), &[("linearflow", FLOW)])
    })
}

/// A Workflow with the flow's spec inline, instead of a template reference.
#[must_use]
pub fn inline() -> Value {
    let mut workflow = trigger();
    workflow["spec"] = template()["spec"].clone();
    workflow
}

/// A spec as Argo stores it: decoded, merged with a reference, and without the empty fields that Go's encoder omits.
#[must_use]
pub fn as_stored(spec: &Value) -> Value {
    let mut stored = spec.clone();
    remove_empty(&mut stored);
    if stored.get("arguments").is_none() {
        stored["arguments"] = json!({});
    }
    stored["workflowTemplateRef"] = json!({"name": FLOW});
    for template in stored["templates"].as_array_mut().into_iter().flatten() {
        for part in ["inputs", "outputs", "metadata"] {
            if template.get(part).is_none() {
                template[part] = json!({});
            }
        }
        let container = template.get_mut("container").and_then(Value::as_object_mut);
        container.map(|it| it.entry("resources").or_insert(json!({})));
        let groups = template.get_mut("steps").and_then(Value::as_array_mut);
        let steps = groups.into_iter().flatten().filter_map(Value::as_array_mut);
        for step in steps.flatten().filter_map(Value::as_object_mut) {
            step.entry("arguments").or_insert(json!({}));
        }
    }
    stored
}

fn remove_empty(value: &mut Value) {
    let empty = |v: &Value| {
        v.is_null()
            || v.as_str() == Some("")
            || v.as_array().is_some_and(Vec::is_empty)
            || v.as_object().is_some_and(Map::is_empty)
    };
    match value {
        Value::Object(all) => {
            // The value of a parameter is a pointer, so Go writes it even if it is empty.
            let members = all.iter_mut().filter(|(name, _)| *name != "parameters");
            members.for_each(|(_, v)| remove_empty(v));
            all.retain(|name, v| name == "emptyDir" || !empty(v));
        }
        Value::Array(all) => all.iter_mut().for_each(remove_empty),
        _ => {}
    }
}

/// Creates an Argo object.
///
/// # Errors
/// The API server refuses.
pub async fn create(person: &Person, object: &Value) -> kube::Result<DynamicObject> {
    let kind = kind(object["kind"].as_str().unwrap_or_default());
    let object = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
    person
        .objects(&kind)
        .create(&PostParams::default(), &object)
        .await
}

/// Changes an Argo object by a merge patch.
///
/// # Errors
/// The API server refuses.
pub async fn patch(
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

/// Argo's controller in a namespace.
pub struct Controller(pub Person);

impl Controller {
    /// The controller's service account with a real token, bound to `namesake-carrier` as in docs/install.md.
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

    /// Creates the pod of a step.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn create_step_pod(&self, workflow: &DynamicObject, step: &str) -> kube::Result<Pod> {
        self.create_pod(pod(workflow, step)).await
    }

    /// Creates a pod.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn create_pod(&self, pod: Value) -> kube::Result<Pod> {
        let pod: Pod = serde_json::from_value(pod).map_err(kube::Error::SerdeError)?;
        self.0.create(pod).await
    }

    /// Stores the spec and the status of a Workflow: the controller's first update.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn store_spec(
        &self,
        workflow: &DynamicObject,
        spec: &Value,
    ) -> kube::Result<DynamicObject> {
        let (run, uid) = recorded_run(&FOREACH);
        let name = workflow.name_any();
        let added = |path: &str| first_added(&FOREACH, "workflows", path);
        let start = digits(&node_id(&name, &format!("{name}.start")));
        let recorded_start = digits(&node_id(run, &format!("{run}.start")));
        let names = [
            (recorded_start.as_str(), start.as_str()),
            (run, &name),
            (uid, &workflow.uid().unwrap_or_default()),
        ];
        let mut status = renamed(added("/status"), &names);
        status["storedWorkflowTemplateSpec"] = as_stored(spec);
        let format = "/metadata/annotations/workflows.argoproj.io~1pod-name-format";
        let metadata = json!({"labels": added("/metadata/labels"),
            "annotations": {"workflows.argoproj.io/pod-name-format": added(format)}});
        self.update(workflow, json!({"metadata": metadata, "status": status}))
            .await
    }

    /// Updates a Workflow.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn update(
        &self,
        workflow: &DynamicObject,
        change: Value,
    ) -> kube::Result<DynamicObject> {
        patch(&self.0, "Workflow", &workflow.name_any(), change).await
    }
}

/// The pod that Argo creates for a step of a Workflow: `start`, `score`, `join` or `end` of the flow with a foreach, or
/// [`RESOURCE_STEP`].
#[must_use]
pub fn pod(workflow: &DynamicObject, step: &str) -> Value {
    let of_step = |(_, pod): &(_, &Value)| node_name(pod).rsplit('.').next() == Some(step);
    let recordings = [FOREACH.as_slice(), PARALLEL_ON_ARGO.as_slice()].into_iter();
    let mut pods = recordings.flat_map(|all| created(all, "pods").map(move |pod| (all, pod)));
    let Some((recording, recorded)) = pods.find(of_step) else {
        return Value::Null;
    };
    let (run, uid) = recorded_run(recording);
    let name = workflow.name_any();
    let recorded_node = node_name(recorded);
    let node = recorded_node.replacen(run, &name, 1);
    let mut pod = renamed(
        &as_sent(recorded),
        &[
            (
                &digits(&node_id(run, recorded_node)),
                &digits(&node_id(&name, &node)),
            ),
            (run, &name),
            (uid, &workflow.uid().unwrap_or_default()),
        ],
    );
    if step != RESOURCE_STEP {
        pod["spec"]["serviceAccountName"] = json!(ACCOUNT);
    }
    // A test may create several pods for one node.
    let version = workflow.resource_version().unwrap_or_default();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    pod["metadata"]["name"] = json!(format!("{name}-{version}"));
    pod
}

/// The result of a step, as the executor in its pod creates it.
#[must_use]
pub fn result_of(workflow: &DynamicObject, pod: &Pod) -> Value {
    let Some(recorded) = created(&FOREACH, "workflowtaskresults").next() else {
        return Value::Null;
    };
    let (run, uid) = recorded_run(&FOREACH);
    let node = pod.annotations().get("workflows.argoproj.io/node-id");
    renamed(
        &as_sent(recorded),
        &[
            (
                recorded["metadata"]["name"].as_str().unwrap_or_default(),
                node.map_or("", String::as_str),
            ),
            (run, &workflow.name_any()),
            (uid, &workflow.uid().unwrap_or_default()),
        ],
    )
}

/// Name and UID of the Workflow in a recording.
fn recorded_run(recording: &[Value]) -> (&str, &str) {
    let workflow = created(recording, "workflows").next();
    let text = |key: &str| workflow.and_then(|it| it["metadata"][key].as_str());
    (
        text("name").unwrap_or_default(),
        text("uid").unwrap_or_default(),
    )
}

fn node_name(pod: &Value) -> &str {
    let name = &pod["metadata"]["annotations"]["workflows.argoproj.io/node-name"];
    name.as_str().unwrap_or_default()
}

/// The number that a node ID adds to the name of its Workflow.
fn digits(node_id: &str) -> String {
    node_id.rsplit('-').next().unwrap_or_default().to_owned()
}

/// The owner reference that Argo writes.
#[must_use]
pub fn owner(object: &DynamicObject, kind: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": kind, "name": object.name_any(), "uid": object.uid(),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// The current state of a Workflow.
///
/// # Errors
/// It does not exist.
pub async fn now(person: &Person, workflow: &DynamicObject) -> Result<DynamicObject> {
    let found = person
        .objects(&kind("Workflow"))
        .get_opt(&workflow.name_any())
        .await?;
    found.with_context(|| format!("{} is gone", workflow.name_any()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_stored_as_argo_was_recorded_to_store_it() {
        let template = created(&FOREACH, "workflowtemplates").next().unwrap();
        let mut spec = template["spec"].clone();
        let run = created(&FOREACH, "workflows").next().unwrap();
        spec["arguments"] = run["spec"]["arguments"].clone();
        let stored = &first_added(&FOREACH, "workflows", "/status")["storedWorkflowTemplateSpec"];
        assert_eq!(&as_stored(&spec), stored);
    }
}

//! Small Argo objects, and the objects that its controller creates from them, as observed.

use kube::{ResourceExt, api::DynamicObject};
use namesake_tests::controllers::replayed_argo::{as_stored, owner};
use serde_json::{Value, json};

use super::pod_keys::{LABEL, NODE_ID, NODE_NAME, rendered};
use super::{CLUSTER_TEMPLATE, TEMPLATE, WORKFLOW};

/// A spec that only this person writes.
pub(super) fn spec_of(person: &str, number: usize) -> Value {
    json!({
        "entrypoint": "start", "arguments": {"parameters": []},
        "podMetadata": {
            "labels": {"app.kubernetes.io/part-of": "metaflow"}, "annotations": {"metaflow/user": person}},
        "templates": [{"name": "start", "metadata": {}, "inputs": {}, "container": {"image": format!("{number}-of-{person}")}}]})
}

/// A spec that references a template and sets nothing else.
pub(super) fn reference(of: &str, name: &str) -> Value {
    let mut spec = json!({"workflowTemplateRef": {"name": name}, "arguments": {}});
    if of == CLUSTER_TEMPLATE {
        spec["workflowTemplateRef"]["clusterScope"] = json!(true);
    }
    spec
}

/// The template that a Workflow references, and whether the Workflow sets nothing else.
pub(super) fn referred(workflow: &DynamicObject) -> Option<((&'static str, String), bool)> {
    let spec = &workflow.data["spec"];
    let reference = &spec["workflowTemplateRef"];
    let of = if reference["clusterScope"] == true {
        CLUSTER_TEMPLATE
    } else {
        TEMPLATE
    };
    let is_pure = ["podMetadata", "templates"]
        .iter()
        .all(|name| spec.get(*name).is_none());
    Some(((of, reference["name"].as_str()?.to_owned()), is_pure))
}

pub(super) fn is_stored(workflow: &DynamicObject) -> bool {
    stored(workflow).is_some()
}

fn stored(workflow: &DynamicObject) -> Option<&Value> {
    workflow.data["status"].get("storedWorkflowTemplateSpec")
}

/// What a Workflow runs: the spec that Argo has stored, or its own.
pub(super) fn runs(workflow: &DynamicObject) -> Value {
    of_pods(stored(workflow).unwrap_or(&workflow.data["spec"]))
}

/// The part of a spec that determines its pods: without schedules, and without metadata of the Workflow itself.
pub(super) fn of_pods(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(members) = spec.as_object_mut() {
        members.retain(|name, _| !["suspend", "workflowMetadata"].contains(&name.as_str()));
    }
    spec
}

/// What Argo runs: the template, overridden by the Workflow.
pub(super) fn merged(workflow: &DynamicObject, template: &Value) -> Value {
    let mut spec = as_stored(template);
    let own = &workflow.data["spec"];
    if let Some(metadata) = own.get("podMetadata") {
        json_patch::merge(&mut spec["podMetadata"], metadata);
    }
    spec["workflowTemplateRef"] = own["workflowTemplateRef"].clone();
    spec
}

/// The pod of the only step of a Workflow. Metadata from people overrides Argo's own.
pub(super) fn pod(workflow: &DynamicObject, spec: &Value) -> Value {
    let name = workflow.name_any();
    let mut metadata = json!({
        "generateName": "p-", "ownerReferences": [owner(workflow, WORKFLOW)],
        "labels": {LABEL: name}, "annotations": {NODE_ID: name, NODE_NAME: name}});
    let theirs = ["/podMetadata", "/templates/0/metadata"];
    for theirs in theirs.into_iter().filter_map(|path| spec.pointer(path)) {
        json_patch::merge(&mut metadata, &rendered(theirs));
    }
    let image = &spec["templates"][0]["container"]["image"];
    json!({"metadata": metadata, "spec": {
        "restartPolicy": "Never",
        "containers": [{"name": "wait", "image": "argoexec"}, {"name": "main", "image": image}]}})
}

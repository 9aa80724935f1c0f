//! Argo's objects in the model, and what its controller was observed to do with them.

use serde_json::{Map, Value, json};

use super::kinds::{Kind, owner};
use super::like::{NODE_ID, NODE_NAME, WORKFLOW, rendered};

pub(crate) const CONTROLLER: &str = "system:serviceaccount:argo:argo";
/// Where Argo stores the merged spec of a Workflow with a reference.
const STORED: &str = "/status/storedWorkflowTemplateSpec";

/// An object that a person creates; the bits of `shape` select its reference and its other fields.
pub(crate) fn new(kind: Kind, person: &str, shape: u8) -> Value {
    let number = (shape >> 1) & 1;
    let metadata = match kind {
        Kind::Workflow => json!({"generateName": "t-", "annotations": {}}),
        Kind::CronWorkflow => json!({"name": format!("cron-{number}"), "annotations": {}}),
        _ => json!({"name": format!("flow-{number}"), "annotations": {}}),
    };
    let spec = match kind {
        Kind::Workflow | Kind::CronWorkflow if shape & 4 != 0 => reference(person, shape),
        _ => spec(person, shape),
    };
    let spec = if kind == Kind::CronWorkflow {
        json!({"schedules": ["0 0 * * *"], "suspend": false, "workflowSpec": spec})
    } else {
        spec
    };
    json!({"metadata": metadata, "spec": spec})
}

fn spec(person: &str, shape: u8) -> Value {
    let mut spec = json!({
        "entrypoint": "start", "arguments": {"parameters": []},
        "podMetadata": {"labels": {"app.kubernetes.io/part-of": "metaflow"}, "annotations": {"metaflow/user": person}},
        "templates": [{"name": "start", "metadata": {}, "inputs": {}, "container": {"image": format!("of-{person}")}}]});
    if shape & 1 != 0 {
        spec["serviceAccountName"] = json!("metaflow");
    }
    spec
}

fn reference(person: &str, shape: u8) -> Value {
    let name = format!("flow-{}", (shape >> 1) & 1);
    let mut spec = json!({"workflowTemplateRef": {"name": name}, "arguments": {}});
    if shape & 8 != 0 {
        spec["podMetadata"] = json!({"annotations": {"note": person}});
    }
    if shape & 16 != 0 {
        spec["workflowTemplateRef"]["clusterScope"] = json!(true);
    }
    spec
}

/// The template that a Workflow runs, and whether the Workflow adds nothing to it.
pub(crate) fn referred(workflow: &Value) -> Option<(Kind, &str, bool)> {
    let spec = &workflow["spec"];
    let name = spec["workflowTemplateRef"]["name"].as_str()?;
    let kind = Kind::referred(spec["workflowTemplateRef"]["clusterScope"] == true);
    Some((kind, name, spec.get("podMetadata").is_none()))
}

pub(crate) fn is_stored(workflow: &Value) -> bool {
    workflow.pointer(STORED).is_some()
}

/// What an object runs, without the fields that say only when, and to whom it is assigned.
pub(crate) fn runs(kind: Kind, object: &Value) -> Value {
    let (mut spec, free): (Value, &[&str]) = match kind {
        Kind::CronWorkflow => (object["spec"]["workflowSpec"].clone(), &[]),
        Kind::Workflow => {
            let spec = object.pointer(STORED).unwrap_or(&object["spec"]);
            (spec.clone(), &["suspend"])
        }
        _ => (
            object["spec"].clone(),
            &["suspend", "workflowMetadata", "serviceAccountName"],
        ),
    };
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|name, _| !free.contains(&name.as_str()));
    }
    spec
}

/// A change of what an object runs, wherever its kind has that.
pub(crate) fn edited(kind: Kind, new: &mut Value, person: &str, edit: u8) {
    let image = json!(format!("{edit}-of-{person}"));
    let evil = json!({"templates": [{"name": "start", "container": {"image": image}}]});
    match kind {
        Kind::CronWorkflow => new["spec"]["workflowSpec"]["templates"] = evil["templates"].clone(),
        Kind::Workflow if referred(new).is_none() => {
            new["spec"]["templates"] = evil["templates"].clone();
        }
        Kind::Workflow if edit & 8 != 0 => {
            new["spec"]["workflowTemplateRef"]["name"] = json!(format!("flow-{}", (edit >> 4) & 1));
        }
        Kind::Workflow if is_stored(new) => {
            new["status"]["storedWorkflowTemplateSpec"]["templates"] = evil["templates"].clone();
        }
        Kind::Workflow => new["status"] = json!({"storedWorkflowTemplateSpec": evil}),
        _ => new["spec"]["templates"] = evil["templates"].clone(),
    }
}

/// The spec that Argo runs: the template's, merged with the Workflow's.
pub(crate) fn merged(workflow: &Value, template: &Value) -> Value {
    let mut spec = template["spec"].clone();
    remove_empty(&mut spec);
    if let Some(own) = workflow["spec"].get("podMetadata") {
        json_patch::merge(&mut spec["podMetadata"], own);
    }
    spec["workflowTemplateRef"] = workflow["spec"]["workflowTemplateRef"].clone();
    spec["arguments"] = json!({});
    spec
}

/// The Workflow after Argo has stored what it runs. The `workflowMetadata` of a template overrides that of the Workflow.
pub(crate) fn with_stored_spec(workflow: &Value, template: &Value) -> Value {
    let mut new = workflow.clone();
    new["status"] =
        json!({"phase": "Running", "storedWorkflowTemplateSpec": merged(workflow, template)});
    for (key, value) in template["spec"]["workflowMetadata"]["annotations"]
        .as_object()
        .into_iter()
        .flatten()
    {
        new["metadata"]["annotations"][key] = value.clone();
    }
    new
}

/// The Workflow after Argo has written its progress.
pub(crate) fn with_progress(workflow: &Value, number: usize) -> Value {
    let mut new = workflow.clone();
    new["status"]["nodes"] = json!({"n": {"phase": "Running", "id": number.to_string()}});
    new
}

/// The Workflow that a CronWorkflow starts: with its spec, but none of its own metadata.
pub(crate) fn scheduled_workflow(cron: &Value, number: usize) -> Value {
    let name = format!("{}-{number}", cron["metadata"]["name"].as_str().unwrap());
    let mut annotations = cron["spec"]["workflowMetadata"]["annotations"].clone();
    annotations["workflows.argoproj.io/scheduled-time"] = json!("2026-11-26T00:00:00Z");
    json!({
        "metadata": {
            "name": name, "annotations": annotations,
            "labels": {"workflows.argoproj.io/cron-workflow": cron["metadata"]["name"]},
            "ownerReferences": owner(Kind::CronWorkflow, cron)},
        "spec": cron["spec"]["workflowSpec"]})
}

/// The pod of the only step of a Workflow. Metadata that people write overrides Argo's own.
pub(crate) fn pod(workflow: &Value, spec: &Value) -> Value {
    let name = &workflow["metadata"]["name"];
    let mut metadata = json!({
        "generateName": "p-", "ownerReferences": owner(Kind::Workflow, workflow),
        "labels": {WORKFLOW: name}, "annotations": {NODE_ID: name, NODE_NAME: name}});
    let paths = ["/podMetadata", "/templates/0/metadata"];
    for theirs in paths.into_iter().filter_map(|path| spec.pointer(path)) {
        json_patch::merge(&mut metadata, &rendered(theirs));
    }
    let image = &spec["templates"][0]["container"]["image"];
    let account = spec.get("serviceAccountName").and_then(Value::as_str);
    json!({"metadata": metadata, "spec": {
        "serviceAccountName": account.unwrap_or("default"),
        "containers": [{"name": "wait", "image": "argoexec"}, {"name": "main", "image": image}]}})
}

// Go's encoder omits empty values.
fn remove_empty(value: &mut Value) {
    let empty = |v: &Value| {
        v.is_null()
            || v.as_array().is_some_and(Vec::is_empty)
            || v.as_object().is_some_and(Map::is_empty)
    };
    match value {
        Value::Object(all) => {
            all.values_mut().for_each(remove_empty);
            all.retain(|_, v| !empty(v));
        }
        Value::Array(all) => all.iter_mut().for_each(remove_empty),
        _ => {}
    }
}

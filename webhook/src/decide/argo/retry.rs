//! Recognizes the update that `argo retry` sends: a run that has ended continues, without the failed nodes, so that Argo runs them
//! again.
//! Nothing is declared to have succeeded, nothing gets other outputs, and what runs stays as it was.

use namesake_core::Json;

use super::STORED;
use super::changes::{is_obeyed, say_nothing};
use crate::decide::kinds::Parts;
use crate::decide::kinds::stopping::first_change;

/// Labels of a run that has ended.
const ENDED: [&str; 2] = [
    "workflows.argoproj.io/completed",
    "workflows.argoproj.io/workflow-archiving-status",
];

/// Whether a change is a retry of a run that has ended, and nothing else.
#[must_use]
pub fn is_retry(old: &Parts<'_>, new: &Parts<'_>) -> bool {
    let ended = matches!(
        old.status.get("phase").non_empty_str(),
        Some("Failed" | "Error")
    );
    let (before, after) = (&old.metadata, &new.metadata);
    ended
        && only(&old.spec, &new.spec, |name, old, new| {
            // Old versions of `argo terminate` set a deadline of zero.
            let is_terminated = name == "activeDeadlineSeconds" && old.as_i64() == Some(0);
            new.is_empty() && (name == "shutdown" || is_terminated)
        })
        && only(&old.status, &new.status, may_change_in_status)
        && only(&before.annotations, &after.annotations, |key, _, _| {
            !is_obeyed(key)
        })
        && only(&before.labels, &after.labels, |key, _, new| {
            (ENDED.contains(&key) && new.is_empty()) || !is_obeyed(key)
        })
}

// Whether only members differ that may.
fn only(
    old: &Json<'_>,
    new: &Json<'_>,
    may_differ: impl Fn(&str, &Json<'_>, &Json<'_>) -> bool,
) -> bool {
    let is_object = |node: &Json<'_>| matches!(node, Json::Object(_) | Json::Null);
    let changed = first_change(old, new, |name, old, new| {
        say_nothing(old, new) || may_differ(name, old, new)
    });
    is_object(old) && is_object(new) && changed.is_none()
}

fn may_change_in_status(name: &str, old: &Json<'_>, new: &Json<'_>) -> bool {
    match name {
        "phase" | "message" | "finishedAt" | "persistentVolumeClaims" => new.is_empty(),
        "startedAt" => new.non_empty_str().is_some(),
        "conditions" => true,
        "nodes" => {
            let mut nodes = new.members().iter();
            // Without any node, where the only one failed, the member is left out.
            matches!(new, Json::Object(_) | Json::Null)
                && nodes.all(|(id, node)| is_kept_or_reset(old.get(id), node))
        }
        STORED => only(old, new, |name, _, new| {
            name == "shutdown" && new.is_empty()
        }),
        _ => false,
    }
}

// A node that existed, as it was; or one that only groups others, or waits for a person, and starts again.
fn is_kept_or_reset(old: &Json<'_>, new: &Json<'_>) -> bool {
    let kind = old.get("type").non_empty_str().unwrap_or_default();
    let starts_again = matches!(
        kind,
        "DAG" | "Retry" | "StepGroup" | "Steps" | "Suspend" | "TaskGroup"
    ) && new.get("phase").non_empty_str() == Some("Running");
    matches!(old, Json::Object(_))
        && only(old, new, |name, old, new| match name {
            "children" | "outboundNodes" => is_subset(old, new),
            "phase" | "startedAt" => starts_again,
            "message" | "finishedAt" => starts_again && new.is_empty(),
            "outputs" => kind == "Suspend" && starts_again && has_no_values(new),
            _ => false,
        })
}

// Values that a person had supplied must be supplied again.
fn has_no_values(outputs: &Json<'_>) -> bool {
    let parameters = outputs.get("parameters").items().iter();
    let is_supplied_later = |parameter: &Json<'_>| {
        let mut members = parameter.members().iter();
        members.all(|(name, _)| matches!(name.as_str(), "name" | "valueFrom"))
            && only(&Json::Null, parameter.get("valueFrom"), |name, _, _| {
                name == "supplied"
            })
    };
    let mut members = outputs.members().iter();
    members.all(|(name, _)| name.as_str() == "parameters")
        && parameters.into_iter().all(is_supplied_later)
}

fn is_subset(old: &Json<'_>, new: &Json<'_>) -> bool {
    let is_list = matches!(new, Json::Array(_)) || new.is_empty();
    is_list && new.items().iter().all(|item| old.items().contains(item))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    // As recorded of a DAG whose second task failed.
    fn ended() -> Value {
        json!({
            "metadata": {"labels": {"workflows.argoproj.io/completed": "true", "workflows.argoproj.io/phase": "Failed"}},
            "spec": {"workflowTemplateRef": {"name": "flow"}, "shutdown": "Stop"},
            "status": {
                "phase": "Failed", "message": "m", "finishedAt": "t1", "startedAt": "t0",
                "conditions": [{"type": "Completed", "status": "True"}],
                "storedWorkflowTemplateSpec": {"entrypoint": "main", "shutdown": "Stop"},
                "nodes": {
                    "r": {"id": "r", "type": "DAG", "phase": "Failed", "finishedAt": "t1", "startedAt": "t0",
                        "children": ["r-1"], "outboundNodes": ["r-2"]},
                    "r-1": {"id": "r-1", "type": "Pod", "phase": "Succeeded", "children": ["r-2", "r-3"],
                        "outputs": {"result": "a"}},
                    "r-2": {"id": "r-2", "type": "Pod", "phase": "Failed"},
                    "r-3": {"id": "r-3", "type": "Suspend", "phase": "Failed",
                        "outputs": {"parameters": [{"name": "ok", "value": "no"}]}}}}})
    }

    fn retried() -> Value {
        let mut new = ended();
        new["metadata"]["labels"] = json!({"workflows.argoproj.io/phase": "Failed"});
        new["spec"] = json!({"workflowTemplateRef": {"name": "flow"}});
        let status = &mut new["status"];
        for gone in ["phase", "message", "finishedAt"] {
            status[gone] = Value::Null;
        }
        status["startedAt"] = json!("t2");
        status["conditions"] = json!([{"type": "Completed", "status": "False"}]);
        status["storedWorkflowTemplateSpec"] = json!({"entrypoint": "main"});
        status["nodes"] = json!({
            "r": {"id": "r", "type": "DAG", "phase": "Running", "startedAt": "t2", "children": ["r-1"]},
            "r-1": {"id": "r-1", "type": "Pod", "phase": "Succeeded", "children": ["r-3"], "outputs": {"result": "a"}},
            "r-3": {"id": "r-3", "type": "Suspend", "phase": "Running", "startedAt": "t2",
                "outputs": {"parameters": [{"name": "ok", "valueFrom": {"supplied": {}}}]}}});
        new
    }

    fn is(old: &Value, new: &Value) -> bool {
        let (old, new) = (old.to_string(), new.to_string());
        let read = |text| serde_json::from_str::<Parts<'_>>(text).unwrap();
        is_retry(&read(&old), &read(&new))
    }

    #[test]
    fn a_retry_removes_what_failed_and_starts_groups_again() {
        assert!(is(&ended(), &retried()));
        let mut running = ended();
        running["status"]["phase"] = json!("Running");
        assert!(!is(&running, &retried()));
    }

    // Go leaves out an empty map.
    #[test]
    fn a_retry_of_a_run_whose_only_node_failed_leaves_no_nodes() {
        let (mut old, mut new) = (ended(), retried());
        old["status"]["nodes"] = json!({"r": {"id": "r", "type": "Pod", "phase": "Failed"}});
        for none in [json!({}), Value::Null] {
            new["status"]["nodes"] = none;
            assert!(is(&old, &new), "{new}");
        }
        new["status"].as_object_mut().unwrap().remove("nodes");
        assert!(is(&old, &new));
    }

    #[test]
    fn a_retry_adds_nothing() {
        for (pointer, value) in [
            (
                "/spec/arguments",
                json!({"parameters": [{"name": "a", "value": "b"}]}),
            ),
            ("/spec/serviceAccountName", json!("x")),
            ("/spec/shutdown", json!("Terminate")),
            ("/status/phase", json!("Succeeded")),
            ("/status/outputs", json!({"result": "x"})),
            ("/status/storedTemplates", json!({"x": {"a": "b"}})),
            (
                "/status/storedWorkflowTemplateSpec/entrypoint",
                json!("evil"),
            ),
            ("/status/storedWorkflowTemplateSpec", Value::Null),
            ("/status/nodes", json!("x")),
            ("/status/nodes/r/phase", json!("Succeeded")),
            ("/status/nodes/r/outputs", json!({"result": "x"})),
            ("/status/nodes/r-1/phase", json!("Running")),
            ("/status/nodes/r-1/outputs/result", json!("$(id)")),
            (
                "/status/nodes/r-1/inputs",
                json!({"parameters": [{"name": "a", "value": "b"}]}),
            ),
            ("/status/nodes/r-1/children", json!(["r-3", "r-9"])),
            ("/status/nodes/r-3/phase", json!("Succeeded")),
            ("/status/nodes/r-3/outputs/parameters/0/value", json!("yes")),
            (
                "/status/nodes/r-3/outputs/parameters/0/valueFrom",
                json!({"expression": "x"}),
            ),
            (
                "/status/nodes/r-4",
                json!({"id": "r-4", "type": "Pod", "phase": "Succeeded"}),
            ),
            (
                "/metadata/labels/workflows.argoproj.io~1phase",
                json!("Running"),
            ),
            (
                "/metadata/annotations",
                json!({"workflows.argoproj.io/pod-name-format": "v1"}),
            ),
        ] {
            let mut new = retried();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let name = name.replace("~1", "/");
            match new.pointer_mut(parent).unwrap() {
                Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
                object => object[name.as_str()] = value,
            }
            assert!(!is(&ended(), &new), "{pointer}");
        }
    }
}

//! What `argo retry` writes: a run that has ended goes on, with the nodes that failed taken out, so that Argo runs them
//! again. Nothing is said to have succeeded, nothing gets other outputs, and what runs stays as it was.

use namesake_core::Json;

use super::STORED;
use crate::decide::kinds::Parts;

/// Whether a change is nothing but a retry of a run that has ended.
#[must_use]
pub fn is_retry(old: &Parts<'_>, new: &Parts<'_>) -> bool {
    let ended = matches!(
        old.status.get("phase").non_empty_str(),
        Some("Failed" | "Error")
    );
    ended
        && all(&old.spec, &new.spec, |name, old, new| {
            is_cleared(new) && (name == "shutdown" || is_terminated(name, old))
        })
        && all(&old.status, &new.status, status)
        && all(
            &old.metadata.annotations,
            &new.metadata.annotations,
            not_argos,
        )
        && all(
            &old.metadata.labels,
            &new.metadata.labels,
            |key, old, new| {
                let ends = [
                    "workflows.argoproj.io/completed",
                    "workflows.argoproj.io/workflow-archiving-status",
                ];
                (ends.contains(&key) && is_cleared(new)) || not_argos(key, old, new)
            },
        )
}

fn not_argos(key: &str, old: &Json<'_>, new: &Json<'_>) -> bool {
    super::changes::is_said(key, old, new)
}

fn is_cleared(node: &Json<'_>) -> bool {
    node.is_empty()
}

// `argo terminate` of old sets a deadline of zero.
fn is_terminated(name: &str, old: &Json<'_>) -> bool {
    name == "activeDeadlineSeconds" && old.as_i64() == Some(0)
}

fn status(name: &str, old: &Json<'_>, new: &Json<'_>) -> bool {
    match name {
        "phase" | "message" | "finishedAt" | "persistentVolumeClaims" => is_cleared(new),
        "startedAt" => new.non_empty_str().is_some(),
        "conditions" => true,
        "nodes" => {
            let mut nodes = new.members().iter();
            // Without any node, where the only one failed, the member is left out.
            matches!(new, Json::Object(_) | Json::Null)
                && nodes.all(|(id, node)| is_kept_or_reset(old.get(id), node))
        }
        STORED => all(old, new, |name, _, new| {
            name == "shutdown" && is_cleared(new)
        }),
        _ => false,
    }
}

// A node that is there already, as it was; or one that only groups others, or waits for somebody, and begins again.
fn is_kept_or_reset(old: &Json<'_>, new: &Json<'_>) -> bool {
    let kind = old.get("type").non_empty_str().unwrap_or_default();
    let begins_again = matches!(
        kind,
        "DAG" | "Retry" | "StepGroup" | "Steps" | "Suspend" | "TaskGroup"
    ) && new.get("phase").non_empty_str() == Some("Running");
    matches!(old, Json::Object(_))
        && all(old, new, |name, old, new| match name {
            "children" | "outboundNodes" => is_part(old, new),
            "phase" | "startedAt" => begins_again,
            "message" | "finishedAt" => begins_again && is_cleared(new),
            "outputs" => kind == "Suspend" && begins_again && says_no_value(new),
            _ => false,
        })
}

// What somebody had supplied is asked for again.
fn says_no_value(outputs: &Json<'_>) -> bool {
    let parameters = outputs.get("parameters").items().iter();
    let supplied = |parameter: &Json<'_>| {
        let mut members = parameter.members().iter();
        members.all(|(name, _)| matches!(name.as_str(), "name" | "valueFrom"))
            && all(&Json::Null, parameter.get("valueFrom"), |name, _, _| {
                name == "supplied"
            })
    };
    let mut members = outputs.members().iter();
    members.all(|(name, _)| name.as_str() == "parameters") && parameters.into_iter().all(supplied)
}

fn is_part(old: &Json<'_>, new: &Json<'_>) -> bool {
    let is_list = matches!(new, Json::Array(_)) || is_cleared(new);
    is_list && new.items().iter().all(|item| old.items().contains(item))
}

// Whether each member that differs may.
fn all(old: &Json<'_>, new: &Json<'_>, may: impl Fn(&str, &Json<'_>, &Json<'_>) -> bool) -> bool {
    let is_object = |node: &Json<'_>| matches!(node, Json::Object(_) | Json::Null);
    let members = old.members().iter().chain(new.members());
    is_object(old)
        && is_object(new)
        && members.into_iter().all(|(name, _)| {
            let (old, new) = (old.get(name), new.get(name));
            old == new || (old.is_empty() && new.is_empty()) || may(name, old, new)
        })
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
    fn a_retry_takes_out_what_failed_and_begins_groups_again() {
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
    fn a_retry_says_nothing_that_was_not_there() {
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

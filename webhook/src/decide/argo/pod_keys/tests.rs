use serde_json::{Value, json};

use super::*;

const OWNER: &str = "over-vprzd";

fn pod(change: impl FnOnce(&mut Value)) -> String {
    let mut metadata = json!({
        "name": "over-vprzd-say-1", "labels": {ARGO_WORKFLOW_LABEL: OWNER, "workflows.argoproj.io/completed": "false"},
        "annotations": {ARGO_NODE_ID_ANNOTATION: node_id(OWNER, "over-vprzd.a"), ARGO_NODE_NAME_ANNOTATION: "over-vprzd.a"},
        "ownerReferences": [{
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": OWNER, "uid": "u", "controller": true}],
    });
    change(&mut metadata);
    metadata.to_string()
}

fn checked(metadata: &str, by_argo: bool) -> Result<Option<String>, String> {
    let metadata: Metadata<'_> = serde_json::from_str(metadata).unwrap();
    let found = check(&metadata, by_argo);
    found.map(|w| w.map(str::to_owned)).map_err(|r| r.message)
}

#[test]
fn a_pod_that_argo_creates_names_its_own_workflow_and_one_node_of_it() {
    assert_eq!(checked(&pod(|_| ()), true), Ok(None));
    let root = |m: &mut Value| {
        m["annotations"] =
            json!({ARGO_NODE_ID_ANNOTATION: OWNER, ARGO_NODE_NAME_ANNOTATION: OWNER});
    };
    assert_eq!(checked(&pod(root), true), Ok(None));
    let agent = |m: &mut Value| m["annotations"] = json!({});
    assert_eq!(checked(&pod(agent), true), Ok(None));
    for (key, value) in [
        (ARGO_NODE_ID_ANNOTATION, "bobs-run-123"),
        (ARGO_NODE_NAME_ANNOTATION, "bobs-run.deploy"),
        (ARGO_NODE_NAME_ANNOTATION, OWNER),
        (ARGO_NODE_ID_ANNOTATION, OWNER),
        (ARGO_NODE_ID_ANNOTATION, ""),
        ("workflows.argoproj.io/kill-cmd-main", r#"["sh"]"#),
        ("workflows.argoproj.io/kill-cmd-", "[]"),
    ] {
        let changed = pod(|m| m["annotations"][key] = json!(value));
        let message = checked(&changed, true).unwrap_err();
        assert!(message.contains(key), "{message}");
    }
    for key in [ARGO_NODE_ID_ANNOTATION, ARGO_NODE_NAME_ANNOTATION] {
        let lacks = pod(|m| m["annotations"][key] = Value::Null);
        let lacks = lacks.replace(&format!("{key:?}:null"), r#""x":"y""#);
        assert!(checked(&lacks, true).is_err(), "{lacks}");
        let label = pod(|m| m["labels"][key] = json!(node_id(OWNER, "over-vprzd.a")));
        assert!(checked(&label, true).is_err(), "{label}");
    }
    for workflow in ["bobs-run", "", "over-vprz", "over-vprzd-1"] {
        let changed = pod(|m| m["labels"][ARGO_WORKFLOW_LABEL] = json!(workflow));
        let message = checked(&changed, true).unwrap_err();
        assert!(message.contains(OWNER), "{message}");
    }
    let without = pod(|m| m["labels"] = json!({}));
    assert!(checked(&without, true).is_err());
}

#[test]
fn the_pods_of_a_workflow_that_is_named_like_anothers_node_are_its_own() {
    // The id of bob's `suspend` step, and the name of her Workflow.
    let name = node_id("bobs-run", "bobs-run[1].approve");
    let hers = |label: &str, id: &str, node: &str| {
        pod(|m| {
            m["ownerReferences"][0]["name"] = json!(name);
            m["labels"][ARGO_WORKFLOW_LABEL] = json!(label);
            m["annotations"] =
                json!({ARGO_NODE_ID_ANNOTATION: id, ARGO_NODE_NAME_ANNOTATION: node});
        })
    };
    assert_eq!(checked(&hers(&name, &name, &name), true), Ok(None));
    assert!(checked(&hers("bobs-run", &name, &name), true).is_err());
    assert!(checked(&hers("bobs-run", &name, "bobs-run[1].approve"), true).is_err());
    assert!(checked(&hers(&name, &name, "bobs-run[1].approve"), true).is_err());
}

#[test]
fn a_pod_that_collects_artifacts_belongs_to_the_workflow_of_its_task_and_is_not_a_node() {
    let task = |label: &str, annotations: Value| {
        pod(|m| {
            m["ownerReferences"][0]["kind"] = json!("WorkflowArtifactGCTask");
            m["ownerReferences"][0]["name"] = json!("agc-1-artgc-wfcomp-2166136261-0");
            m["labels"][ARGO_WORKFLOW_LABEL] = json!(label);
            m["annotations"] = annotations;
        })
    };
    assert_eq!(checked(&task("agc-1", json!({})), true), Ok(None));
    assert!(checked(&task("bobs-run", json!({})), true).is_err());
    assert!(checked(&task("agc", json!({})), true).is_err());
    assert!(
        checked(
            &task("agc-1", json!({ARGO_NODE_ID_ANNOTATION: "bobs-run-123"})),
            true
        )
        .is_err()
    );
    assert_eq!(
        workflow_of_collector("a-artgc-wfcomp-1-0-artgc-wfdel-2-10"),
        Some("a-artgc-wfcomp-1-0")
    );
    for other in [
        "",
        "a",
        "a-artgc-wfcomp-x-0",
        "a-artgc-other-1-0",
        "a-wfcomp-1-0",
        "-1-0",
    ] {
        assert_eq!(workflow_of_collector(other), None, "{other}");
    }
}

#[test]
fn the_label_of_any_other_pod_has_to_be_proven_and_it_is_not_a_node() {
    let labelled = pod(|m| m["annotations"] = json!({"workflows.argoproj.io/title": "T"}));
    assert_eq!(checked(&labelled, false), Ok(Some(OWNER.to_owned())));
    // Argo creates no such pods.
    let of_a_job = pod(|m| {
        m["annotations"] = json!({});
        m["ownerReferences"][0] = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u", "controller": true});
    });
    assert_eq!(checked(&of_a_job, true), Ok(Some(OWNER.to_owned())));
    let of_nothing = pod(|m| *m = json!({"generateName": "p-"}));
    assert_eq!(checked(&of_nothing, false), Ok(None));
    assert!(checked(&pod(|_| ()), false).is_err());
    for key in [ARGO_NODE_ID_ANNOTATION, ARGO_NODE_NAME_ANNOTATION] {
        for map in ["labels", "annotations"] {
            let one = pod(|m| *m = json!({"generateName": "p-", map: {key: "x"}}));
            assert!(checked(&one, false).unwrap_err().contains(key));
        }
    }
    let kill = pod(|m| {
        *m = json!({"name": "p", "annotations": {"workflows.argoproj.io/kill-cmd-main": "x"}});
    });
    assert!(checked(&kill, false).unwrap_err().contains("kill-cmd-main"));
}

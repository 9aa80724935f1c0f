use serde_json::{Value, json};

use super::*;

const ACCOUNT: &str = "mf-bob-aaaaaaaaaaaaaa";

fn pod() -> RunningPod {
    RunningPod {
        name: "flow-1-train-7".to_owned(),
        uid: "u1".to_owned(),
        service_account: ACCOUNT.to_owned(),
        workflow: Some(WorkflowOfPod {
            name: "flow-1".to_owned(),
            uid: "w1".to_owned(),
        }),
        node: Some("flow-1-7".to_owned()),
    }
}

fn info(change: impl FnOnce(&mut Value)) -> String {
    let key = |of: &str| format!("authentication.kubernetes.io/{of}");
    let mut info = json!({
        "username": format!("system:serviceaccount:research:{ACCOUNT}"),
        "extra": {key("credential-id"): ["JTI=1"], key("pod-name"): ["flow-1-train-7"], key("pod-uid"): ["u1"]},
    });
    change(&mut info);
    info.to_string()
}

fn object(change: impl FnOnce(&mut Value)) -> String {
    let mut object = json!({
        "name": "flow-1-7", "labels": {ARGO_WORKFLOW_LABEL: "flow-1"},
        "annotations": {RESULT_POD_ANNOTATION: "u1"},
        "ownerReferences": [
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "flow-1", "uid": "w1"}],
    });
    change(&mut object);
    object.to_string()
}

fn writes(info: &str, object: &str, pod: Option<&RunningPod>) -> Result<(), String> {
    let info = serde_json::from_str(info).unwrap();
    let object = serde_json::from_str(object).unwrap();
    check_result(&info, "research", &object, pod).map_err(|refused| refused.message)
}

#[test]
fn a_step_may_write_its_own_result() {
    assert_eq!(writes(&info(|_| ()), &object(|_| ()), Some(&pod())), Ok(()));
}

#[test]
fn a_result_is_owned_by_its_workflow_or_before_argo_3_5_2_by_its_pod() {
    let owned_by = |owners: Value| object(|o| o["ownerReferences"] = owners);
    let pod_as = |kind: &str, uid: &str| json!({"apiVersion": "v1", "kind": kind, "name": "flow-1-train-7", "uid": uid});
    let workflow = |group: &str, name: &str, uid: &str| json!({"apiVersion": format!("{group}/v1alpha1"), "kind": "Workflow", "name": name, "uid": uid});
    let own = workflow("argoproj.io", "flow-1", "w1");
    for owners in [
        json!([pod_as("Pod", "u1")]),
        json!([pod_as("pods", "u1")]),
        json!([own, pod_as("Pod", "u1")]),
    ] {
        let result = owned_by(owners);
        assert_eq!(writes(&info(|_| ()), &result, Some(&pod())), Ok(()));
    }
    for owners in [
        json!([pod_as("Pod", "u2")]),
        json!([workflow("argoproj.io", "flow-1", "w2")]),
        json!([workflow("argoproj.io", "flow-2", "w1")]),
        json!([workflow("mallory.io", "flow-1", "w1")]),
        json!([own, workflow("argoproj.io", "flow-2", "w2")]),
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "flow-1", "uid": "u1"}]),
    ] {
        let result = owned_by(owners);
        assert!(
            writes(&info(|_| ()), &result, Some(&pod())).is_err(),
            "{result}"
        );
    }
    // Namesake writes the UID as the result is created.
    let unmarked = object(|o| o["annotations"] = json!({RESULT_POD_ANNOTATION: "u2"}));
    assert!(writes(&info(|_| ()), &unmarked, Some(&pod())).is_err());
}

#[test]
fn only_the_steps_own_pod_may_write_its_result() {
    let key = |of: &str| format!("authentication.kubernetes.io/{of}");
    let others = [
        info(|i| i["username"] = json!("mallory@acme.com")),
        info(|i| i["username"] = json!("system:serviceaccount:research:default")),
        info(|i| i["username"] = json!(format!("system:serviceaccount:other:{ACCOUNT}"))),
        info(|i| i["extra"] = Value::Null),
        info(|i| i["extra"][key("credential-id")] = json!([])),
        info(|i| i["extra"][key("pod-uid")] = json!(["u2"])),
        info(|i| i["extra"][key("pod-name")] = json!(["another"])),
    ];
    for other in others {
        let refused = writes(&other, &object(|_| ()), Some(&pod())).unwrap_err();
        assert!(
            refused.contains("only the step's own pod"),
            "{other}: {refused}"
        );
    }
    assert!(writes(&info(|_| ()), &object(|_| ()), None).is_err());
}

#[test]
fn a_step_may_not_write_the_result_of_another_step_or_workflow() {
    for other in [
        object(|o| o["name"] = json!("flow-1-8")),
        object(|o| o["labels"][ARGO_WORKFLOW_LABEL] = json!("flow-2")),
        object(|o| o["labels"] = Value::Null),
        object(|o| o["ownerReferences"] = json!([])),
        object(|o| o["ownerReferences"][0]["uid"] = json!("u2")),
    ] {
        assert!(
            writes(&info(|_| ()), &other, Some(&pod())).is_err(),
            "{other}"
        );
    }
    let stray = RunningPod {
        workflow: None,
        ..pod()
    };
    assert!(writes(&info(|_| ()), &object(|_| ()), Some(&stray)).is_err());
}

#[test]
fn only_a_pod_of_its_workflow_may_write_the_status_of_a_task_set() {
    let text = info(|_| ());
    let info: UserInfo<'_> = serde_json::from_str(&text).unwrap();
    let check = |name: &str, pod: Option<&RunningPod>| {
        let text = json!({"name": name}).to_string();
        let object = serde_json::from_str(&text).unwrap();
        check_task_set_status(&info, "research", &object, pod).is_ok()
    };
    assert!(check("flow-1", Some(&pod())));
    assert!(!check("flow-2", Some(&pod())));
    assert!(!check("flow-1", None));
}

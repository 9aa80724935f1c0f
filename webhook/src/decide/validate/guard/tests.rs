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

fn known(user: &str) -> KnownIdentity {
    KnownIdentity {
        user: user.to_owned(),
        class: "research".to_owned(),
        service_account_uid: None,
        ready: true,
        stalled: None,
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
        "name": "flow-1-7", "labels": {WORKFLOW_LABEL: "flow-1"},
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
    result(&info, "research", &object, pod).map_err(|refused| refused.message)
}

#[test]
fn a_pod_is_entered_by_its_user_and_a_pod_of_nobodys_by_anybody() {
    let bob = User::canonical("bob@acme.com").unwrap();
    let enter = |user: Option<&User>, pod: &RunningPod, known: Option<&KnownIdentity>| {
        super::enter("exec", "somebody", user, pod, known, None).map_err(|refused| refused.message)
    };
    assert_eq!(
        enter(Some(&bob), &pod(), Some(&known("bob@acme.com"))),
        Ok(())
    );
    let refused = enter(Some(&bob), &pod(), Some(&known("alice@acme.com"))).unwrap_err();
    assert!(
        refused.contains("alice@acme.com's") && refused.contains("somebody"),
        "{refused}"
    );
    // Shared by a class, on its way out, or asked for by nobody: no user has it.
    assert!(enter(Some(&bob), &pod(), Some(&known(""))).is_err());
    assert!(enter(Some(&bob), &pod(), None).is_err());
    assert!(enter(None, &pod(), Some(&known("bob@acme.com"))).is_err());
    assert!(enter(None, &pod(), Some(&known(""))).is_err());
    let other = RunningPod {
        service_account: "default".to_owned(),
        ..pod()
    };
    assert_eq!(enter(None, &other, None), Ok(()));
}

#[test]
fn a_step_writes_its_own_result() {
    assert_eq!(writes(&info(|_| ()), &object(|_| ()), Some(&pod())), Ok(()));
}

#[test]
fn a_result_is_owned_by_its_workflow_or_as_before_argo_3_5_2_by_its_pod() {
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
    // Written into it as it is created, whatever it came with.
    let unmarked = object(|o| o["annotations"] = json!({RESULT_POD_ANNOTATION: "u2"}));
    assert!(writes(&info(|_| ()), &unmarked, Some(&pod())).is_err());
}

#[test]
fn argo_stops_a_container_by_a_signal_and_executes_nothing_else() {
    let is_kill = |options: Value| {
        let text = options.to_string();
        is_kill_command(&serde_json::from_str(&text).unwrap())
    };
    let command = |command: Value| {
        is_kill(
            json!({"kind": "PodExecOptions", "stdout": true, "stderr": true, "container": "main", "command": command}),
        )
    };
    for recorded in [
        json!(["argoexec", "kill", "15", "1"]),
        json!(["/var/run/argo/argoexec", "kill", "15", "1"]),
        json!(["/var/run/argo/argoexec", "kill", "9", "1"]),
        json!(["/bin/sh", "-c", "kill -15 1"]),
        json!(["/bin/sh", "-c", "kill -9 1"]),
    ] {
        assert!(command(recorded.clone()), "{recorded}");
    }
    for other in [
        Value::Null,
        json!([]),
        json!(["kill", "-15", "1"]),
        json!(["/tmp/argoexec", "kill", "15", "1"]),
        json!(["argoexec", "kill", "15", "1", "x"]),
        json!(["argoexec", "kill", "15", "2"]),
        json!(["argoexec", "kill", "1 5", "1"]),
        json!(["argoexec", "wait"]),
        json!(["/bin/sh", "-c", "kill -15 1; id"]),
        json!(["/bin/sh", "-c", "kill -15 1", "x"]),
        json!(["/bin/bash", "-c", "kill -15 1"]),
        json!(["sh", "-c", "gcloud auth print-access-token"]),
    ] {
        assert!(!command(other.clone()), "{other}");
    }
    let kill = json!(["/bin/sh", "-c", "kill -15 1"]);
    assert!(!is_kill(json!({"command": kill, "stdin": true})));
    assert!(!is_kill(json!({"command": kill, "tty": true})));
}

#[test]
fn nobody_but_the_steps_own_pod_writes_its_result() {
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
fn a_step_does_not_write_another_steps_or_workflows_result() {
    for other in [
        object(|o| o["name"] = json!("flow-1-8")),
        object(|o| o["labels"][WORKFLOW_LABEL] = json!("flow-2")),
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
fn the_status_of_a_task_set_is_written_by_a_pod_of_its_workflow() {
    let text = info(|_| ());
    let info: UserInfo<'_> = serde_json::from_str(&text).unwrap();
    let check = |name: &str, pod: Option<&RunningPod>| {
        let text = json!({"name": name}).to_string();
        let object = serde_json::from_str(&text).unwrap();
        task_set_status(&info, "research", &object, pod).is_ok()
    };
    assert!(check("flow-1", Some(&pod())));
    assert!(!check("flow-2", Some(&pod())));
    assert!(!check("flow-1", None));
}

#[test]
fn a_pod_of_an_account_that_a_rule_gives_is_entered_by_whom_it_gives_it_to() {
    let billing = RunningPod {
        service_account: "metaflow-billing".to_owned(),
        ..pod()
    };
    let enter =
        |kept| super::enter("exec", "somebody", None, &billing, None, kept).map_err(|r| r.message);
    assert_eq!((enter(None), enter(Some(true))), (Ok(()), Ok(())));
    let refused = enter(Some(false)).unwrap_err();
    assert!(
        refused.contains("metaflow-billing") && refused.contains("somebody"),
        "{refused}"
    );
}

#[test]
fn the_proxy_takes_scheme_and_port_with_the_name_of_a_pod_and_the_others_do_not() {
    for name in ["p", "p:80", "p:http", "http:p:80", "https:p:", ":p:80"] {
        assert_eq!(entered("proxy", name), "p", "{name}");
    }
    // Names no pod, which refuses it.
    for name in ["ftp:p:21", "a:b:c:d", ""] {
        assert_eq!(entered("proxy", name), name);
    }
    assert_eq!(entered("exec", "p:80"), "p:80");
}

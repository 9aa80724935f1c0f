use serde_json::{Value, json};

use super::*;

const ACCOUNT: &str = "mf-bob-aaaaaaaaaaaaaa";

fn pod() -> RunningPod {
    RunningPod {
        name: "flow-1-train-7".to_owned(),
        service_account: ACCOUNT.to_owned(),
        ..RunningPod::default()
    }
}

fn known(user: &str) -> KnownIdentity {
    KnownIdentity {
        user: user.into(),
        class: "research".into(),
        service_account_uid: None,
        ready: true,
        stalled: None,
    }
}

#[test]
fn a_pod_with_an_identity_is_entered_by_its_user_only_and_any_other_pod_by_anybody() {
    let bob = User::canonical("bob@acme.com").unwrap();
    let enter = |user: Option<&User>, pod: &RunningPod, known: Option<&KnownIdentity>| {
        check("exec", "somebody", user, pod, known, None).map_err(|refused| refused.message)
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
    // Shared by a class, being removed, or requested by no user.
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
fn a_pod_of_an_account_that_rules_give_is_entered_by_whom_they_give_it_to() {
    let billing = RunningPod {
        service_account: "metaflow-billing".to_owned(),
        ..pod()
    };
    let enter = |kept| check("exec", "somebody", None, &billing, None, kept).map_err(|r| r.message);
    assert_eq!((enter(None), enter(Some(true))), (Ok(()), Ok(())));
    let refused = enter(Some(false)).unwrap_err();
    assert!(
        refused.contains("metaflow-billing") && refused.contains("somebody"),
        "{refused}"
    );
}

#[test]
fn only_the_proxy_accepts_a_scheme_and_a_port_with_the_name_of_a_pod() {
    for name in ["p", "p:80", "p:http", "http:p:80", "https:p:", ":p:80"] {
        assert_eq!(pod_name("proxy", name), "p", "{name}");
    }
    // Not the name of a pod, so it is refused.
    for name in ["ftp:p:21", "a:b:c:d", ""] {
        assert_eq!(pod_name("proxy", name), name);
    }
    assert_eq!(pod_name("exec", "p:80"), "p:80");
}

//! What the real controllers sent, replayed request by request (`testdata/recorded`).

mod api_server;
mod replay;

use replay::{Refusal, Replay, requests};
use serde_json::json;

/// Scenarios in which each request is let through.
const ADMITTED: &[&str] = &[
    "metaflow-create-trigger",
    "metaflow-foreach",
    "metaflow-schedule",
    "metaflow-parallel-on-argo",
    "argo-submit-from",
    "argo-resubmit",
    "argo-stop",
    "argo-terminate",
    "daemon-step",
    "deadline-step",
    "deadline-timeout",
    "deadline-workflow",
    "delete-workflow",
    "onexit-hook",
    "sidecar",
    "podgc",
    "ttl",
    "redeploy",
];

/// Scenarios up to a request that is refused, which one that is, and what its refusal says.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "argo-submit-ref",
        "CREATE workflows tref-78wcx bob@acme.com",
        "other people's templates would run as you",
    ),
    (
        "argo-retry",
        "UPDATE workflows retry-2vhvl bob@acme.com",
        "belongs to alice@acme.com",
    ),
    (
        "argo-suspend-resume",
        "UPDATE workflows susp-c7nzg bob@acme.com",
        "belongs to alice@acme.com",
    ),
    (
        "argo-cron-inline",
        "UPDATE cronworkflows tick bob@acme.com",
        "may stop or delete it but not change spec.suspend",
    ),
    (
        "artifact-gc",
        "CREATE pods agcc-4nvwd-artgc-wfcomp-2166136261 system:serviceaccount:argo:argo",
        "do not know the requester",
    ),
    (
        "http-agent",
        "CREATE workflows http-scjbj alice@acme.com",
        "one agent pod makes these calls",
    ),
    (
        "podmetadata-overwrite",
        "CREATE workflows over-vprzd alice@acme.com",
        "workflows.argoproj.io/workflow in spec.podMetadata",
    ),
];

// The template that these scenarios found there.
fn with_the_template() -> Replay {
    let mut replay = Replay::new();
    let deployed = &requests("argo-submit-from")[0];
    replay.request(deployed).unwrap();
    replay
}

fn replayed(scenario: &str) -> Result<(), Refusal> {
    with_the_template().scenario(scenario)
}

#[test]
fn what_the_real_controllers_send_for_stock_flows_is_admitted() {
    let refused = ADMITTED.iter().filter_map(|scenario| {
        let r = replayed(scenario).err()?;
        let Refusal {
            request,
            code,
            message,
        } = r;
        Some(format!("{scenario}: {request}: {code} {message}"))
    });
    let refused: Vec<_> = refused.collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn what_changes_anothers_run_or_gets_no_identity_is_refused_at_that_request() {
    let wrong = REFUSED.iter().filter_map(|(scenario, request, says)| {
        let answer = replayed(scenario);
        let refused = answer.as_ref().err();
        let fits = refused.is_some_and(|r| r.request == *request && r.message.contains(says));
        (!fits).then(|| format!("{scenario}: {answer:?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn refused(answer: Result<(), Refusal>, says: &str) {
    let refused = answer.unwrap_err();
    assert!(refused.message.contains(says), "{refused:?}");
}

#[test]
fn a_pod_that_says_of_itself_that_it_is_anothers_node_is_refused_wherever_that_came_from() {
    let mut requests = requests("podmetadata-overwrite");
    // The same keys made of parameters: the Workflow does not show them, and its pod does.
    let spec = requests[0]["object"]["spec"].as_object_mut().unwrap();
    spec.remove("podMetadata");
    let mut replay = Replay::new();
    replay.request(&requests[0]).unwrap();
    refused(replay.request(&requests[1]), "PlantedPod");
}

#[test]
fn what_tools_resolved_is_taken_out_whatever_it_says() {
    let mut workflow = requests("argo-submit-from")[1].clone();
    let resolved = &mut workflow["object"]["status"]["storedTemplates"];
    resolved["namespaced/greet/say"]["container"]["image"] = json!("evil");
    let mut replay = with_the_template();
    replay.request(&workflow).unwrap();
    let there = replay.api_server.get("workflows", "greet-vdm44").unwrap();
    assert_eq!(there["status"], json!({}));
    for forged in [
        json!({"storedWorkflowTemplateSpec": {"entrypoint": "evil"}}),
        json!({"nodes": {"n": {"phase": "Succeeded"}}}),
        json!({"storedTemplates": {}, "phase": "Succeeded"}),
        json!([1]),
    ] {
        workflow["object"]["status"] = forged;
        refused(with_the_template().request(&workflow), "ForgedStatus");
    }
}

#[test]
fn a_workflow_does_not_inherit_what_an_earlier_one_of_its_name_left_behind() {
    let requests = requests("argo-stop");
    let mut replay = Replay::new();
    for request in &requests[..5] {
        replay.request(request).unwrap();
    }
    let mut again = requests[0].clone();
    again["userInfo"]["username"] = json!("bob@acme.com");
    let metadata = again["object"]["metadata"].as_object_mut().unwrap();
    metadata.remove("generateName");
    // As a schedule gives it a name, or a person: pods stay when the Workflow is deleted with `--cascade=orphan`.
    replay.api_server.remove("workflows", "long-627qd");
    refused(replay.request(&again), "LeftBehind");
    replay.api_server.remove("pods", "long-627qd");
    refused(replay.request(&again), "LeftBehind");
    replay
        .api_server
        .remove("workflowtaskresults", "long-627qd");
    replay.request(&again).unwrap();
}

#[test]
fn a_workflow_is_not_called_like_a_node_of_anothers() {
    let requests = requests("argo-stop");
    let mut replay = Replay::new();
    replay.request(&requests[0]).unwrap();
    let mut named = requests[0].clone();
    let metadata = named["object"]["metadata"].as_object_mut().unwrap();
    metadata.remove("generateName");
    metadata.insert("name".to_owned(), json!("long-627qd-3058788005"));
    named["userInfo"]["username"] = json!("mallory@acme.com");
    refused(replay.request(&named), "NameOfANode");
    named["userInfo"]["username"] = json!("alice@acme.com");
    replay.request(&named).unwrap();
}

#[test]
fn argo_executes_its_kill_commands_in_pods_of_workflows_and_nothing_else() {
    let requests = requests("argo-stop");
    let mut replay = Replay::new();
    for request in &requests[..6] {
        replay.request(request).unwrap();
    }
    let stop = &requests[6];
    replay.request(stop).unwrap();
    let mut other = stop.clone();
    other["object"]["command"] = json!(["sh", "-c", "gcloud auth print-access-token"]);
    refused(replay.request(&other), "NotYourPod");
    let mut mallorys = stop.clone();
    mallorys["userInfo"]["username"] = json!("mallory@acme.com");
    refused(replay.request(&mallorys), "NotYourPod");
    let mut impersonated = stop.clone();
    impersonated["userInfo"]["extra"] = json!({});
    refused(replay.request(&impersonated), "NotYourPod");
    // A pod of alice's that is not a Workflow's.
    let mut pod = replay.api_server.get("pods", "long-627qd").unwrap();
    pod["metadata"]["ownerReferences"] = json!([]);
    replay.api_server.put("pods", "long-627qd", pod);
    refused(replay.request(stop), "NotYourPod");
}

#[test]
fn who_started_a_run_of_another_retries_it_and_nobody_else() {
    let mut replay = with_the_template();
    let requests = requests("argo-submit-from");
    requests[1..13]
        .iter()
        .for_each(|r| replay.request(r).unwrap());
    // Its last step failed: what Argo wrote of a failed run, and what `argo retry` made of that, as recorded.
    let name = "greet-vdm44";
    let mut failed = replay.api_server.get("workflows", name).unwrap();
    failed["status"]["phase"] = json!("Failed");
    failed["status"]["nodes"][name]["phase"] = json!("Failed");
    failed["status"]["nodes"]["greet-vdm44-4154759494"]["phase"] = json!("Failed");
    failed["metadata"]["labels"]["workflows.argoproj.io/completed"] = json!("true");
    replay.api_server.put("workflows", name, failed);
    let retry = |user: &str, phase: &str| {
        let node = format!("/status/nodes/{name}/phase");
        let mut retry = requests[3].clone();
        retry["userInfo"] = json!({"username": user, "groups": ["system:authenticated"]});
        retry["changes"] = json!([
            {"op": "remove", "path": "/metadata/labels/workflows.argoproj.io~1completed"},
            {"op": "remove", "path": "/status/phase"},
            {"op": "add", "path": node, "value": phase},
            {"op": "remove", "path": "/status/nodes/greet-vdm44-4154759494"}]);
        retry
    };
    refused(
        replay.request(&retry("mallory@acme.com", "Running")),
        "NotYours",
    );
    refused(
        replay.request(&retry("bob@acme.com", "Succeeded")),
        "NotYours",
    );
    replay.request(&retry("bob@acme.com", "Running")).unwrap();
}

//! Requests that were recorded from the real controllers, replayed one by one (`testdata/recorded`).

mod api_server;
mod pods;
mod replay;

use std::collections::BTreeMap;

use replay::{Refusal, Replay, requests};
use serde_json::{Value, json};

use crate::cases::name_of;

const ALICE: &str = "alice@acme.com";
const BOB: &str = "bob@acme.com";

/// Scenarios in which each request is admitted, and the user that all of their pods run as.
const ADMITTED: &[(&str, &str)] = &[
    ("metaflow/run", ALICE),
    ("metaflow/run-parallel", ALICE),
    ("jobset/max-restarts", BOB),
    // Alice suspends it, Bob resumes it.
    ("jobset/suspend-resume", BOB),
    ("metaflow/create-trigger", ALICE),
    // Bob starts what Alice deployed.
    ("metaflow/foreach", ALICE),
    ("metaflow/schedule", ALICE),
    ("metaflow/parallel-on-argo", ALICE),
    ("argo-cli/submit-from", ALICE),
    ("argo-cli/resubmit", ALICE),
    ("argo-cli/stop", ALICE),
    ("argo-cli/terminate", ALICE),
    ("argo/daemon-step", ALICE),
    ("argo/deadline-step", ALICE),
    ("argo/deadline-timeout", ALICE),
    ("argo/deadline-workflow", ALICE),
    ("argo/delete-workflow", ALICE),
    ("argo/onexit-hook", ALICE),
    ("argo/sidecar", ALICE),
    ("argo/podgc", ALICE),
    ("argo/ttl", ALICE),
    // Bob deploys it again while Alice's runs.
    ("argo/redeploy", ALICE),
];

/// Scenarios with the request that is refused, and a part of the message. The pods before it are Alice's.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "argo-cli/submit-ref",
        "CREATE workflows tref-78wcx bob@acme.com",
        "other people's templates would run as you",
    ),
    (
        "argo-cli/retry",
        "UPDATE workflows retry-2vhvl bob@acme.com",
        "belongs to alice@acme.com",
    ),
    (
        "argo-cli/suspend-resume",
        "UPDATE workflows susp-c7nzg bob@acme.com",
        "belongs to alice@acme.com",
    ),
    (
        "argo-cli/cron-inline",
        "UPDATE cronworkflows tick bob@acme.com",
        "may stop or delete it but not change spec.suspend",
    ),
    (
        "argo/artifact-gc",
        "CREATE pods agcc-4nvwd-artgc-wfcomp-2166136261 system:serviceaccount:argo:argo",
        "matches the requester",
    ),
    (
        "argo/http-agent",
        "CREATE workflows http-scjbj alice@acme.com",
        "one agent pod sends these requests",
    ),
    (
        "argo/podmetadata-overwrite",
        "CREATE workflows over-vprzd alice@acme.com",
        "workflows.argoproj.io/workflow in spec.podMetadata",
    ),
];

// With the template that existed before these scenarios.
fn with_the_template() -> Replay {
    let mut replay = Replay::new();
    let deployment = &requests("argo-cli/submit-from")[0];
    replay.request(deployment).unwrap();
    replay
}

/// A scenario up to its first refused request.
struct Replayed {
    replay: Replay,
    /// The admitted requests.
    admitted: Vec<Value>,
    refusal: Option<Refusal>,
}

fn replayed(scenario: &str) -> Replayed {
    let mut replay = with_the_template();
    let mut admitted = requests(scenario);
    let mut answers = admitted.iter().map(|r| replay.request(r)).enumerate();
    let refused = answers.find_map(|(at, answer)| Some((at, answer.err()?)));
    let (at, refusal) = refused.unzip();
    admitted.truncate(at.unwrap_or(usize::MAX));
    Replayed {
        replay,
        admitted,
        refusal,
    }
}

#[test]
fn the_requests_of_the_real_controllers_for_stock_flows_are_admitted() {
    let refused = ADMITTED.iter().filter_map(|(scenario, _)| {
        let refused = replayed(scenario).refusal?;
        Some(format!("{scenario}: {refused:?}"))
    });
    let refused: Vec<_> = refused.collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn a_request_that_changes_anothers_run_or_can_get_no_identity_is_refused() {
    let mismatches = REFUSED.iter().filter_map(|(scenario, request, message)| {
        let refused = replayed(scenario).refusal;
        let fits = |r: &Refusal| r.request == *request && r.message.contains(message);
        (!refused.as_ref().is_some_and(fits)).then(|| format!("{scenario}: {refused:?}"))
    });
    let mismatches: Vec<_> = mismatches.collect();
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

// Each scenario with the user of its pods.
fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let refused = REFUSED.iter().map(|(scenario, ..)| (*scenario, ALICE));
    ADMITTED.iter().copied().chain(refused)
}

#[test]
fn each_pod_that_the_real_controllers_created_gets_the_account_of_its_user() {
    for (scenario, user) in all() {
        let Replayed {
            replay, admitted, ..
        } = replayed(scenario);
        let created = pods::created(&admitted).map(|pod| (pods::name(pod), name_of(user)));
        let expected: BTreeMap<_, _> = created.collect();
        assert_eq!(replay.pods, expected, "{scenario}");
    }
}

#[test]
fn argo_retries_only_the_first_pod_of_each_run_of_a_template() {
    let mut count = 0;
    for (scenario, _) in all() {
        let Replayed {
            replay, admitted, ..
        } = replayed(scenario);
        let first = pods::first_of_runs_of_templates(&admitted);
        count += first.len();
        assert_eq!(replay.retried, first, "{scenario}");
    }
    assert_eq!(count, 9, "Workflows that run a template");
}

fn refused(answer: Result<(), Refusal>, message: &str) {
    let refused = answer.unwrap_err();
    assert!(refused.message.contains(message), "{refused:?}");
}

#[test]
fn a_pod_that_claims_to_be_anothers_node_is_refused_wherever_the_claim_comes_from() {
    let mut requests = requests("argo/podmetadata-overwrite");
    // The same keys, rendered from parameters: they are not visible in the Workflow, only in its pod.
    let spec = requests[0]["object"]["spec"].as_object_mut().unwrap();
    spec.remove("podMetadata");
    let mut replay = Replay::new();
    replay.request(&requests[0]).unwrap();
    refused(replay.request(&requests[1]), "ForgedController");
}

#[test]
fn templates_that_tools_resolved_are_removed_whatever_they_say() {
    let mut workflow = requests("argo-cli/submit-from")[1].clone();
    let resolved = &mut workflow["object"]["status"]["storedTemplates"];
    resolved["namespaced/greet/say"]["container"]["image"] = json!("evil");
    let mut replay = with_the_template();
    replay.request(&workflow).unwrap();
    let stored = replay.api_server.get("workflows", "greet-vdm44").unwrap();
    assert_eq!(stored["status"], json!({}));
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
fn a_workflow_does_not_inherit_from_an_earlier_one_of_the_same_name() {
    let requests = requests("argo-cli/stop");
    let mut replay = Replay::new();
    for request in &requests[..5] {
        replay.request(request).unwrap();
    }
    let mut second = requests[0].clone();
    second["userInfo"]["username"] = json!("bob@acme.com");
    let metadata = second["object"]["metadata"].as_object_mut().unwrap();
    metadata.remove("generateName");
    // A schedule or a person gives it this name. Pods remain when the Workflow is deleted with `--cascade=orphan`.
    replay.api_server.remove("workflows", "long-627qd");
    refused(replay.request(&second), "NameStillInUse");
    replay.api_server.remove("pods", "long-627qd");
    refused(replay.request(&second), "NameStillInUse");
    replay
        .api_server
        .remove("workflowtaskresults", "long-627qd");
    replay.request(&second).unwrap();
}

#[test]
fn a_workflow_may_not_have_the_name_of_a_node_of_another_user() {
    let requests = requests("argo-cli/stop");
    let mut replay = Replay::new();
    replay.request(&requests[0]).unwrap();
    let mut named = requests[0].clone();
    let metadata = named["object"]["metadata"].as_object_mut().unwrap();
    metadata.remove("generateName");
    metadata.insert("name".to_owned(), json!("long-627qd-3058788005"));
    named["userInfo"]["username"] = json!("mallory@acme.com");
    refused(replay.request(&named), "NodeNameCollision");
    named["userInfo"]["username"] = json!("alice@acme.com");
    replay.request(&named).unwrap();
}

#[test]
fn argo_may_execute_only_its_kill_commands_and_only_in_pods_of_workflows() {
    let requests = requests("argo-cli/stop");
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
    // Alice's pod, if no Workflow owned it.
    let mut pod = replay.api_server.get("pods", "long-627qd").unwrap();
    pod["metadata"]["ownerReferences"] = json!([]);
    replay.api_server.put("pods", "long-627qd", pod);
    refused(replay.request(stop), "NotYourPod");
}

#[test]
fn only_the_starter_of_a_run_that_belongs_to_another_may_retry_it() {
    let mut replay = with_the_template();
    let requests = requests("argo-cli/submit-from");
    requests[1..13]
        .iter()
        .for_each(|r| replay.request(r).unwrap());
    // Its last step failed: the status that Argo wrote for a failed run, and what `argo retry` changed in it, as recorded.
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

#[test]
fn who_suspended_the_job_set_of_another_user_may_not_resume_it() {
    let requests = requests("jobset/suspend-resume");
    let by_people =
        |r: &&Value| r["resource"]["resource"] == "jobsets" && r["operation"] == "UPDATE";
    let last = requests.iter().rposition(|r| by_people(&r)).unwrap();
    let mut replay = Replay::new();
    for request in &requests[..last] {
        replay.request(request).unwrap();
    }
    let mut resume = requests[last].clone();
    assert_eq!(resume["userInfo"]["username"], BOB);
    resume["userInfo"]["username"] = json!(ALICE);
    refused(replay.request(&resume), "belongs to bob@acme.com");
    // Its Jobs belong to its controller, suspended or not.
    let mut job = requests[last + 1].clone();
    assert_eq!(job["resource"]["resource"], "jobs");
    job["userInfo"] = json!({"username": ALICE, "groups": ["system:authenticated"]});
    refused(replay.request(&job), "belongs to bob@acme.com");
    requests[last..]
        .iter()
        .for_each(|r| replay.request(r).unwrap());
}

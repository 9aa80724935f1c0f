//! What the real controllers sent, replayed request by request (`testdata/recorded`).

mod api_server;
mod pods;
mod replay;

use std::collections::BTreeMap;

use replay::{Refusal, Replay, requests};
use serde_json::{Value, json};

use crate::cases::name_of;

const ALICE: &str = "alice@acme.com";
const BOB: &str = "bob@acme.com";

/// Scenarios in which each request is let through, and as whom all of their pods run.
const ADMITTED: &[(&str, &str)] = &[
    ("metaflow/run", ALICE),
    ("metaflow/run-parallel", ALICE),
    ("jobset/max-restarts", BOB),
    // Alice suspends it, Bob lets it go on.
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
    // Bob deploys it anew while Alice's runs.
    ("argo/redeploy", ALICE),
];

/// Scenarios up to a request that is refused, which one that is, and what its refusal says. The pods before it are Alice's.
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

// The template that these scenarios found there.
fn with_the_template() -> Replay {
    let mut replay = Replay::new();
    let deployed = &requests("argo-cli/submit-from")[0];
    replay.request(deployed).unwrap();
    replay
}

/// A scenario, as far as it went.
struct Replayed {
    replay: Replay,
    /// What was let through.
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
fn what_the_real_controllers_send_for_stock_flows_is_admitted() {
    let refused = ADMITTED.iter().filter_map(|(scenario, _)| {
        let refused = replayed(scenario).refusal?;
        Some(format!("{scenario}: {refused:?}"))
    });
    let refused: Vec<_> = refused.collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn what_changes_anothers_run_or_gets_no_identity_is_refused_at_that_request() {
    let wrong = REFUSED.iter().filter_map(|(scenario, request, says)| {
        let refused = replayed(scenario).refusal;
        let fits = |r: &Refusal| r.request == *request && r.message.contains(says);
        (!refused.as_ref().is_some_and(fits)).then(|| format!("{scenario}: {refused:?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// Each scenario, and whose its pods are.
fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let refused = REFUSED.iter().map(|(scenario, ..)| (*scenario, ALICE));
    ADMITTED.iter().copied().chain(refused)
}

#[test]
fn each_pod_that_the_real_controllers_made_has_the_account_of_whose_it_is() {
    for (scenario, whose) in all() {
        let Replayed {
            replay, admitted, ..
        } = replayed(scenario);
        let created = pods::created(&admitted).map(|pod| (pods::name(pod), name_of(whose)));
        let expected: BTreeMap<_, _> = created.collect();
        assert_eq!(replay.pods, expected, "{scenario}");
    }
}

#[test]
fn argo_tries_the_first_pod_of_each_run_of_a_template_once_more_and_no_other() {
    let mut all_first = 0;
    for (scenario, _) in all() {
        let Replayed {
            replay, admitted, ..
        } = replayed(scenario);
        let first = pods::first_of_runs_of_templates(&admitted);
        all_first += first.len();
        assert_eq!(replay.repeated, first, "{scenario}");
    }
    assert_eq!(all_first, 9, "runs of templates");
}

fn refused(answer: Result<(), Refusal>, says: &str) {
    let refused = answer.unwrap_err();
    assert!(refused.message.contains(says), "{refused:?}");
}

#[test]
fn a_pod_that_says_of_itself_that_it_is_anothers_node_is_refused_wherever_that_came_from() {
    let mut requests = requests("argo/podmetadata-overwrite");
    // The same keys made of parameters: the Workflow does not show them, and its pod does.
    let spec = requests[0]["object"]["spec"].as_object_mut().unwrap();
    spec.remove("podMetadata");
    let mut replay = Replay::new();
    replay.request(&requests[0]).unwrap();
    refused(replay.request(&requests[1]), "ForgedController");
}

#[test]
fn what_tools_resolved_is_taken_out_whatever_it_says() {
    let mut workflow = requests("argo-cli/submit-from")[1].clone();
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
    let requests = requests("argo-cli/stop");
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
    refused(replay.request(&again), "NameStillInUse");
    replay.api_server.remove("pods", "long-627qd");
    refused(replay.request(&again), "NameStillInUse");
    replay
        .api_server
        .remove("workflowtaskresults", "long-627qd");
    replay.request(&again).unwrap();
}

#[test]
fn a_workflow_is_not_called_like_a_node_of_anothers() {
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
fn argo_executes_its_kill_commands_in_pods_of_workflows_and_nothing_else() {
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
    // A pod of alice's that is not a Workflow's.
    let mut pod = replay.api_server.get("pods", "long-627qd").unwrap();
    pod["metadata"]["ownerReferences"] = json!([]);
    replay.api_server.put("pods", "long-627qd", pod);
    refused(replay.request(stop), "NotYourPod");
}

#[test]
fn who_started_a_run_of_another_retries_it_and_nobody_else() {
    let mut replay = with_the_template();
    let requests = requests("argo-cli/submit-from");
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

#[test]
fn who_suspended_the_job_set_of_another_does_not_let_it_go_on() {
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
    // And its Jobs are its controller's, suspended or not.
    let mut job = requests[last + 1].clone();
    assert_eq!(job["resource"]["resource"], "jobs");
    job["userInfo"] = json!({"username": ALICE, "groups": ["system:authenticated"]});
    refused(replay.request(&job), "belongs to bob@acme.com");
    requests[last..]
        .iter()
        .for_each(|r| replay.request(r).unwrap());
}

//! The reviews of the load: the pod and the Job as stock Metaflow submits them, of a known user.

use bytes::Bytes;
use namesake_webhook::admit::Webhook;
use namesake_webhook::review::{REVIEW_KIND, REVIEW_VERSION};
use namesake_webhook::state::State;
use serde_json::{Value, json};

use super::{api_server, cases};

/// The owner of all objects.
const ALICE: &str = "alice@acme.com";

/// The reviews of the load.
pub(crate) struct Reviews {
    /// The job controller creates a task's pod.
    pub(crate) pod: Value,
    /// The same pod, as the final check receives it.
    pub(crate) patched_pod: Value,
    /// The user enters that pod.
    pub(crate) exec: Value,
    /// That pod writes the result of its step.
    pub(crate) result: Value,
    /// The user's client creates the Job.
    pub(crate) job: Value,
}

/// A replica that has seen the user's Job and Identity, so that it answers from memory, with these rules.
pub(crate) fn state(edits: &Value) -> State {
    let mut case = json!({
        "parents": [{"stamp": {"$stamp": {}}}],
        "identities": [{"user": "alice@acme.com", "ready": true}],
        "edits": edits,
    });
    cases::sign(&mut case);
    let owner = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "flow", "uid": "f", "controller": true});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "u", "ownerReferences": [owner],
        "annotations": {"workflows.argoproj.io/node-id": "flow", "workflows.argoproj.io/node-name": "flow"}},
        "spec": {"serviceAccountName": cases::name_of(ALICE), "containers": []}});
    let state = cases::state(&case).with_cluster(api_server::with(&pod));
    state.set_decides_last(std::collections::BTreeSet::from(["research".to_owned()]));
    state
}

/// The edit that adds this many rules, none of which matches the user, before the others.
pub(crate) fn more_rules(number: usize) -> Value {
    let rule = |i| {
        let condition = match i % 4 {
            0 => format!("user: user-{i}@acme.com"),
            1 => format!("user: \"*@acme.com\", namespace: team-{i}"),
            2 => format!("user: \"*@acme.com\", flow: Flow{i}"),
            _ => format!("user: \"u{i}-*@acme.com\""),
        };
        format!("- {{name: rule-{i}, match: {{{condition}}}, identity: research}}\n")
    };
    let rules: String = (0..number).map(rule).collect();
    json!([["rules:\n", format!("rules:\n{rules}")]])
}

/// The edit that adds this many pins.
pub(crate) fn more_pins(number: usize) -> Value {
    let pin = |i| format!("  u{i}: p{i:05}@acme-a.iam.gserviceaccount.com\n");
    let pins: String = (0..number).map(pin).collect();
    json!([["noMatch: deny", format!("pins:\n{pins}noMatch: deny")]])
}

fn exec() -> Value {
    let options = json!({"kind": "PodExecOptions", "apiVersion": "v1", "command": ["sh"]});
    let mut review = cases::review(
        &json!({"kind": "PodExecOptions", "operation": "CONNECT", "user": ALICE, "object": options}),
    );
    review["request"]["subResource"] = json!("exec");
    review["request"]["name"] = json!("p");
    review
}

fn result() -> Value {
    let account = format!("system:serviceaccount:research:{}", cases::name_of(ALICE));
    let owner = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "flow", "uid": "f"});
    let object = json!({"metadata": {"name": "flow", "labels": {"workflows.argoproj.io/workflow": "flow"},
        "annotations": {"namesake.dev/pod-uid": "u"}, "ownerReferences": [owner]}});
    let mut review = cases::review(
        &json!({"kind": "WorkflowTaskResult", "user": account, "token": true, "pod": true, "object": object}),
    );
    review["request"]["kind"]["group"] = json!("argoproj.io");
    review
}

/// What the webhook answers to the pod.
pub(crate) async fn answer() -> Bytes {
    let pod = cases::review(&cases::job_controller());
    let response = cases::ask(&state(&json!([])), Webhook::Mutate, &pod).await;
    let review = json!({"apiVersion": REVIEW_VERSION, "kind": REVIEW_KIND, "response": response});
    review.to_string().into()
}

/// Builds them. The patched pod is the answer of [`state`] to the pod.
pub(crate) async fn reviews() -> Reviews {
    let pod = cases::review(&cases::job_controller());
    let answer = cases::ask(&state(&json!([])), Webhook::Mutate, &pod).await;
    let mut patched_pod = pod.clone();
    if let Some(object) = patched_pod.pointer_mut("/request/object") {
        *object = cases::patched(object, &cases::patch(&answer));
    }
    let job =
        cases::review(&json!({"kind": "Job", "file": "run-job.json", "user": "alice@acme.com"}));
    Reviews {
        pod,
        patched_pod,
        exec: exec(),
        result: result(),
        job,
    }
}

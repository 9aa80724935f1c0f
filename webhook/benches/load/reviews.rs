//! What is asked: the pod and the Job as stock Metaflow submits them, of a user who is known.

use namesake_webhook::admit::Webhook;
use namesake_webhook::state::State;
use serde_json::{Value, json};

use super::cases;

/// The reviews that the load is made of.
pub(crate) struct Reviews {
    /// The job controller creates a task's pod.
    pub(crate) pod: Value,
    /// The same pod as the API server shows it to the twin.
    pub(crate) patched_pod: Value,
    /// The user's client creates the Job.
    pub(crate) job: Value,
}

/// A replica that has seen the user's Job and Identity, so that it answers from memory.
pub(crate) fn state() -> State {
    let mut case = json!({
        "parents": [{"stamp": {"$stamp": {}}}],
        "identities": [{"user": "alice@acme.com", "ready": true}],
    });
    cases::sign(&mut case);
    cases::state(&case)
}

/// Builds them; the patched pod is what [`state`] itself makes of the pod.
pub(crate) async fn reviews() -> Reviews {
    let pod = cases::review(&cases::job_controller());
    let answer = cases::ask(&state(), Webhook::Mutate, &pod).await;
    let mut patched_pod = pod.clone();
    if let Some(object) = patched_pod.pointer_mut("/request/object") {
        *object = cases::patched(object, &cases::patch(&answer));
    }
    let job =
        cases::review(&json!({"kind": "Job", "file": "run-job.json", "user": "alice@acme.com"}));
    Reviews {
        pod,
        patched_pod,
        job,
    }
}

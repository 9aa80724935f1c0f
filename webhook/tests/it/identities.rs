//! A replica that has just started, and has not read all Identities: it reads each one that it needs.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::Client;
use kube::client::Body;
use namesake_webhook::admit::Webhook;
use namesake_webhook::state::State;
use serde_json::{Value, json};

use crate::cases::{ALICE_JOB, ask, job_controller, name_of, review, sign, state};

/// A state that is ready before it has read the Identities, and how often it asked its API server for Alice's, which answers this.
fn just_started(status: u16, body: Value) -> (State, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let service = tower::service_fn(move |request: axum::http::Request<Body>| {
        counter.fetch_add(1, Ordering::SeqCst);
        let name = name_of("alice@acme.com");
        let path = format!("/apis/namesake.dev/v1alpha1/namespaces/research/identities/{name}");
        assert_eq!(request.uri().path(), path);
        let body = Body::from(body.to_string().into_bytes());
        let answer = axum::http::Response::builder().status(status).body(body);
        async move { Ok::<_, Infallible>(answer.unwrap()) }
    });
    let mut case =
        json!({"listed": false, "parents": [{"uid": ALICE_JOB, "stamp": {"$stamp": {}}}]});
    sign(&mut case);
    let state = state(&case).with_cluster(Client::new(service, "default"));
    state.synced.namespaces.set();
    (state, asked)
}

fn identity(stack: &str) -> Value {
    json!({"apiVersion": "namesake.dev/v1alpha1", "kind": "Identity",
        "metadata": {"name": name_of("alice@acme.com"), "namespace": "research", "generation": 1},
        "spec": {"stack": stack, "class": "research", "user": "alice@acme.com"},
        "status": {"serviceAccountUid": "ksa-uid", "phase": "InUse", "conditions": [{"type": "Ready", "status": "True",
            "reason": "Verified", "message": "", "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})
}

fn error(code: u16, reason: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "code": code, "message": reason})
}

#[tokio::test]
async fn a_known_user_needs_no_broker_from_the_first_moment() {
    let (state, asked) = just_started(200, identity("prod"));
    let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
    assert_eq!(answer["allowed"], true, "{answer}");
    let account = &answer["auditAnnotations"]["service-account"];
    assert_eq!(*account, name_of("alice@acme.com"), "{answer}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn once_all_identities_are_read_none_is_asked_for() {
    let (state, asked) = just_started(200, identity("prod"));
    state.synced.identities.set();
    let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
    assert_eq!(answer["auditAnnotations"]["reason"], "BrokerUnavailable");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_new_user_and_one_of_another_stack_are_a_matter_of_the_broker() {
    for (status, body) in [(404, error(404, "NotFound")), (200, identity("try"))] {
        let (state, _) = just_started(status, body);
        let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
        assert_eq!(answer["auditAnnotations"]["reason"], "BrokerUnavailable");
    }
}

#[tokio::test]
async fn while_the_identity_cannot_be_read_the_controller_tries_again() {
    let (state, _) = just_started(403, error(403, "Forbidden"));
    let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
    assert_eq!(answer["auditAnnotations"]["reason"], "NotSynced");
    assert_eq!(answer["status"]["code"], 503);
}

#[tokio::test]
async fn a_pod_of_a_user_acts_for_that_user_from_the_first_moment() {
    let name = name_of("alice@acme.com");
    let job = review(
        &json!({"kind": "Job", "user": format!("system:serviceaccount:research:{name}"), "token": true, "pod": true,
        "object": {"metadata": {"generateName": "t-"}, "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "a"}]}}}}}),
    );
    let (state, asked) = just_started(200, identity("prod"));
    let answer = ask(&state, Webhook::Mutate, &job).await;
    assert_eq!(
        answer["auditAnnotations"]["user"], "alice@acme.com",
        "{answer}"
    );
    assert!(asked.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn a_job_of_a_stalled_identity_is_refused_from_the_first_moment() {
    let mut stalled = identity("prod");
    stalled["status"]["conditions"] = json!([{"type": "Stalled", "status": "True", "reason": "PermissionDenied",
        "message": "no right", "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let (state, asked) = just_started(200, stalled);
    let job = review(&json!({"kind": "Job", "file": "run-job.json", "user": "alice@acme.com"}));
    let answer = ask(&state, Webhook::Mutate, &job).await;
    assert_eq!(
        answer["auditAnnotations"]["reason"], "IdentityFailed",
        "{answer}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// The job controller takes back a pod of Alice that lost its controller, and has no resolution of this epoch.
fn adoption(account: &str) -> Value {
    let pod = |owners: Value| json!({"metadata": {"name": "t-1", "ownerReferences": owners}, "spec": {"serviceAccountName": account}});
    let job = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "t-b2bdfea8-gwtfp", "uid": ALICE_JOB, "controller": true}]);
    review(
        &json!({"operation": "UPDATE", "user": "system:serviceaccount:kube-system:job-controller", "token": true,
        "object": pod(job), "oldObject": pod(json!([]))}),
    )
}

#[tokio::test]
async fn a_pod_of_an_identity_is_adopted_from_the_first_moment() {
    let review = adoption(&name_of("alice@acme.com"));
    let (state, asked) = just_started(200, identity("prod"));
    let answer = ask(&state, Webhook::Guard, &review).await;
    assert_eq!(answer["allowed"], true, "{answer}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let (state, _) = just_started(503, error(503, "ServiceUnavailable"));
    let answer = ask(&state, Webhook::Guard, &review).await;
    assert_eq!(answer["status"]["code"], 503, "{answer}");
}

#[tokio::test]
async fn an_account_that_no_identity_can_have_is_not_asked_for() {
    let (state, asked) = just_started(200, identity("prod"));
    ask(&state, Webhook::Guard, &adoption("default")).await;
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

//! A pod whose parent the watch has not seen yet: the webhook reads it with one GET, and compares its UID.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kube::Client;
use kube::client::Body;
use namesake_webhook::admit::{Webhook, admit};
use namesake_webhook::state::State;
use serde_json::{Value, json};

use crate::cases::{ALICE_JOB, ask, job_controller, review, sign, state};

/// A state whose API server gives this answer to every request.
fn with_answer(status: u16, body: Value) -> (State, Arc<AtomicUsize>) {
    let case = json!({"identities": [{"user": "alice@acme.com", "ready": true}]});
    let path = "/apis/batch/v1/namespaces/research/jobs/t-b2bdfea8-gwtfp";
    let (client, calls) = api_server(path, status, body);
    (state(&case).with_cluster(client), calls)
}

/// An API server that expects requests for this path only, and the number of requests.
fn api_server(path: &'static str, status: u16, body: Value) -> (Client, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let service = tower::service_fn(move |request: axum::http::Request<Body>| {
        counter.fetch_add(1, Ordering::SeqCst);
        assert_eq!(request.uri().path(), path);
        let accepts = request.headers().get("accept");
        let accepts = accepts.map_or("", |accepts| accepts.to_str().unwrap());
        // A Job is read whole, because its digest is computed from its pod template.
        assert_eq!(
            accepts.contains("PartialObjectMetadata"),
            !path.contains("/jobs/")
        );
        let answer = axum::http::Response::builder().status(status);
        let answer = answer
            .body(Body::from(body.to_string().into_bytes()))
            .unwrap();
        async move { Ok::<_, Infallible>(answer) }
    });
    (Client::new(service, "default"), calls)
}

fn job(uid: &str) -> Value {
    let stamp = json!({"$stamp": {"runs": [{"$digest": template("a")}]}});
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {
        "name": "t-b2bdfea8-gwtfp", "generateName": "t-b2bdfea8-", "namespace": "research", "uid": uid,
        "creationTimestamp": "1970-01-01T00:33:10Z", "annotations": {"namesake.dev/stamp": stamp}},
        "spec": {"template": template("a")}});
    sign(&mut job);
    job
}

#[tokio::test]
async fn a_job_that_no_longer_runs_what_its_stamp_signs_gets_no_identity() {
    let mut changed = job(ALICE_JOB);
    changed["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "BASH_ENV", "value": "/of/mallory"}]);
    let (state, _) = with_answer(200, changed);
    let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
    assert_eq!(
        answer["auditAnnotations"]["reason"], "NotAsSigned",
        "{answer}"
    );
}

#[tokio::test]
async fn a_parent_that_the_watch_has_not_seen_is_read_once_and_then_known() {
    let (state, calls) = with_answer(200, job(ALICE_JOB));
    for _ in 0..3 {
        let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
        assert_eq!(
            answer["auditAnnotations"]["user"], "alice@acme.com",
            "{answer}"
        );
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_parent_of_another_uid_is_another_parent() {
    let (state, _) = with_answer(200, job("another-uid"));
    let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
    assert_eq!(answer["status"]["code"], 503);
    assert!(
        answer["status"]["message"]
            .as_str()
            .unwrap()
            .contains("another-uid")
    );
}

#[tokio::test]
async fn a_parent_that_is_gone_or_cannot_be_read_is_503() {
    let gone = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "gone"});
    let denied = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "no"});
    for (status, body) in [(404, gone), (403, denied)] {
        let (state, _) = with_answer(status, body);
        let answer = ask(&state, Webhook::Mutate, &review(&job_controller())).await;
        assert_eq!(answer["auditAnnotations"]["reason"], "ParentLookupFailed");
        assert_eq!(answer["status"]["code"], 503);
    }
}

const CRON_JOB: &str = "/apis/batch/v1/namespaces/research/cronjobs/nightly";

/// A Job of alice's CronJob that runs this image, as its controller creates it.
fn scheduled_job(image: &str) -> Value {
    let owner = json!({"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "cron-uid", "controller": true});
    let metadata = json!({"name": "nightly-1", "ownerReferences": [owner]});
    review(
        &json!({"kind": "Job", "user": "system:serviceaccount:kube-system:cronjob-controller", "token": true,
        "object": {"metadata": metadata, "spec": {"template": template(image)}}}),
    )
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app.kubernetes.io/part-of": "metaflow"}},
        "spec": {"containers": [{"name": "main", "image": image}]}})
}

fn stamp_of(image: &str) -> Value {
    json!({"$stamp": {"kind": "batch/CronJob", "object": {"name": "nightly"}, "runs": [{"$digest": template(image)}]}})
}

#[tokio::test]
async fn a_parent_that_was_just_changed_is_read_once_more() {
    // The cache still has the stamp of image a; alice has just changed it to image b.
    let mut now = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {
        "name": "nightly", "namespace": "research", "uid": "cron-uid", "creationTimestamp": "1970-01-01T00:33:10Z",
        "annotations": {"namesake.dev/stamp": stamp_of("b")}}});
    sign(&mut now);
    let mut case = json!({"identities": [{"user": "alice@acme.com", "ready": true}],
        "parents": [{"kind": "batch/CronJob", "name": "nightly", "uid": "cron-uid", "stamp": stamp_of("a")}]});
    sign(&mut case);
    let (client, calls) = api_server(CRON_JOB, 200, now);
    let state = state(&case).with_cluster(client);
    let gets = || calls.load(Ordering::SeqCst);
    let mut answers = Vec::new();
    for image in ["a", "b", "b", "c", "a"] {
        let answer = ask(&state, Webhook::Mutate, &scheduled_job(image)).await;
        let reason = answer["auditAnnotations"]["reason"].clone();
        answers.push((image, answer["allowed"] == true, reason, gets()));
    }
    let not_signed = json!("NotAsSigned");
    let want = [
        ("a", true, Value::Null, 0),
        ("b", true, Value::Null, 1),
        ("b", true, Value::Null, 1),
        ("c", false, not_signed.clone(), 2),
        ("a", false, not_signed, 3),
    ];
    assert_eq!(answers, want);
}

#[tokio::test]
async fn an_object_that_is_nested_too_deep_or_of_an_unknown_version_is_answered() {
    let case = json!({"identities": [{"user": "alice@acme.com", "ready": true}]});
    let state = state(&case);
    let cron_job = json!({"metadata": {"name": "nightly"}, "spec": {"jobTemplate": {"spec": {"template": template("a")}}}});
    let mut input =
        review(&json!({"kind": "CronJob", "user": "alice@acme.com", "object": cron_job}));
    input["request"]["kind"]["version"] = json!("v9");
    let answer = ask(&state, Webhook::Mutate, &input).await;
    assert_eq!(answer["allowed"], true, "{answer}");
    let text = "[".repeat(100_000) + &"]".repeat(100_000);
    let body = input
        .to_string()
        .replace("\"template\":", &format!("\"deep\":{text},\"template\":"));
    let now = Instant::now();
    let deadline = now + Duration::from_secs(5);
    let answer = admit(&state, Webhook::Mutate, body.as_bytes(), now, deadline).await;
    let answer: Value = serde_json::from_slice(&answer.unwrap()).unwrap();
    assert_eq!(answer["response"]["status"]["code"], 400, "{answer}");
}

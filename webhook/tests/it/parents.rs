//! A pod whose parent our watch has not seen: one GET, and the UID decides.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::Client;
use kube::client::Body;
use namesake_webhook::admit::Webhook;
use namesake_webhook::state::State;
use serde_json::{Value, json};

use crate::cases::{ALICE_JOB, ask, job_controller, review, sign, state};

/// A state whose API server answers every request with this.
fn with_answer(status: u16, body: Value) -> (State, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = tower::service_fn(move |request: axum::http::Request<Body>| {
        counted.fetch_add(1, Ordering::SeqCst);
        let path = request.uri().path().to_owned();
        assert_eq!(
            path,
            "/apis/batch/v1/namespaces/research/jobs/t-b2bdfea8-gwtfp"
        );
        assert!(
            request.headers()["accept"]
                .to_str()
                .unwrap()
                .contains("PartialObjectMetadata")
        );
        let answer = axum::http::Response::builder().status(status);
        let answer = answer
            .body(Body::from(body.to_string().into_bytes()))
            .unwrap();
        async move { Ok::<_, Infallible>(answer) }
    });
    let case = json!({"identities": [{"user": "alice@acme.com", "ready": true}]});
    (
        state(&case).with_cluster(Client::new(service, "default")),
        calls,
    )
}

fn job(uid: &str) -> Value {
    let mut job = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {
        "name": "t-b2bdfea8-gwtfp", "generateName": "t-b2bdfea8-", "namespace": "research", "uid": uid,
        "creationTimestamp": "1970-01-01T00:33:10Z", "annotations": {"namesake.dev/stamp": {"$stamp": {}}}}});
    sign(&mut job);
    job
}

#[tokio::test]
async fn a_parent_that_the_watch_has_not_seen_costs_one_get_and_is_then_known() {
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
        assert_eq!(answer["auditAnnotations"]["reason"], "ParentUnknown");
        assert_eq!(answer["status"]["code"], 503);
    }
}

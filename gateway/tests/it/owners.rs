//! Who owns a run: asked once, and never guessed.

use std::sync::atomic::Ordering;

use crate::setup::{ENFORCE, Gateway, person};

const HEARTBEAT: &str = "/flows/F/runs/1/heartbeat";

#[tokio::test]
async fn the_owner_of_a_run_is_asked_once_also_by_requests_at_the_same_time() {
    let gateway = Gateway::start(ENFORCE).await;
    let alice = person("alice");
    let held = gateway.service.gate.acquire_many(1000).await.unwrap();
    let requests = (0..20).map(|_| gateway.ask(&alice, "POST", HEARTBEAT, "{}"));
    let release = async {
        while gateway.service.asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        drop(held);
    };
    let (answers, ()) = tokio::join!(futures::future::join_all(requests), release);
    assert!(answers.iter().all(|answer| answer.status == 200));
    // Kept from now on, whatever becomes of the service.
    gateway.service.status.store(500, Ordering::SeqCst);
    assert_eq!(
        gateway.ask(&alice, "POST", HEARTBEAT, "{}").await.status,
        200
    );
    assert_eq!(
        gateway
            .ask(&person("bob"), "POST", HEARTBEAT, "{}")
            .await
            .status,
        403
    );
    assert_eq!(gateway.service.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn while_the_metadata_service_does_not_say_the_request_is_refused_with_503() {
    let gateway = Gateway::start(ENFORCE).await;
    for status in [500, 503, 401, 302, 204] {
        gateway.service.status.store(status, Ordering::SeqCst);
        let path = format!("/flows/F/runs/argo-{status}/heartbeat");
        for who in ["alice", "root"] {
            let answer = gateway.ask(&person(who), "POST", &path, "{}").await;
            assert_eq!(
                answer.outcome(),
                (503, "OwnerLookupFailed".to_owned()),
                "{status} {who}"
            );
            assert!(answer.headers.contains_key("retry-after"));
        }
    }
    gateway.service.status.store(0, Ordering::SeqCst);
    assert_eq!(
        gateway
            .ask(&person("alice"), "POST", HEARTBEAT, "{}")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_metadata_service_that_does_not_answer_does_not_hold_a_request_for_long() {
    let gateway = Gateway::start(ENFORCE).await;
    let _held = gateway.service.gate.acquire_many(1000).await.unwrap();
    let answer = gateway.ask(&person("alice"), "POST", HEARTBEAT, "{}").await;
    assert_eq!(answer.outcome(), (503, "OwnerLookupFailed".to_owned()));
    // What needs no owner goes on.
    assert_eq!(
        gateway
            .ask(&person("alice"), "GET", "/flows/F/runs/1", "")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_run_that_is_created_after_it_was_asked_for_is_found() {
    let gateway = Gateway::start(ENFORCE).await;
    let alice = person("alice");
    gateway.service.status.store(404, Ordering::SeqCst);
    assert_eq!(
        gateway.ask(&alice, "POST", HEARTBEAT, "{}").await.status,
        404
    );
    gateway.service.status.store(0, Ordering::SeqCst);
    assert_eq!(
        gateway.ask(&alice, "POST", HEARTBEAT, "{}").await.status,
        200
    );
}

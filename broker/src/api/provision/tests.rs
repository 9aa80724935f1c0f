//! By which rules a question is answered.

use std::sync::Mutex;

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::*;
use crate::api::tests::{broker, broker_of};
use crate::fixtures::{identity, rules_with};

#[tokio::test]
async fn a_broker_with_other_rules_than_the_webhooks_waits_for_those_and_then_says_503() {
    let broker = broker();
    let (old, new) = (rules_with(""), rules_with("  mode: direct\n"));
    let wanted = new.revision().to_owned();
    assert_ne!(old.revision(), wanted);
    broker.rules.set(old);
    let error = rules(&broker, Some(&wanted)).await.err().unwrap();
    assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(error.reason(), "RulesDiffer");
    assert!(error.message().contains(&wanted), "{}", error.message());
    // Asked just before its own watch shows the edit.
    let asks = rules(&broker, Some(&wanted));
    let edit = async {
        tokio::task::yield_now().await;
        broker.rules.set(new);
    };
    let (answer, ()) = tokio::join!(asks, edit);
    assert_eq!(answer.ok().unwrap().revision(), wanted);
}

#[tokio::test]
async fn a_caller_that_names_no_rules_is_answered_by_those_in_force_once_there_are_some() {
    let broker = broker();
    let none = rules(&broker, None).await.err().unwrap();
    assert_eq!(none.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(none.reason(), "RulesNotLoaded");
    broker.rules.set(rules_with(""));
    assert!(rules(&broker, None).await.is_ok());
}

/// What an API server was asked, and whether it may answer writes of a status.
#[derive(Clone, Default)]
struct Cluster {
    asked: Arc<Mutex<Vec<String>>>,
    go: Arc<Notify>,
}

impl Cluster {
    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let line = format!("{} {}", request.method(), request.uri().path());
        self.asked.lock().unwrap().push(line);
        let object = if request.method() == http::Method::PATCH {
            self.go.notified().await;
            json!(identity())
        } else {
            let sent = request.into_body().collect_bytes().await.unwrap();
            let mut made: Value = serde_json::from_slice(&sent).unwrap();
            made["metadata"]["uid"] = json!("u-1");
            made
        };
        http::Response::new(Body::from(object.to_string().into_bytes()))
    }

    fn client(&self) -> Client {
        let cluster = self.clone();
        let serve = tower::service_fn(move |request| {
            let answer = cluster.clone().answer(request);
            async { Ok::<_, kube::Error>(answer.await) }
        });
        Client::new(serve, "default")
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[tokio::test]
async fn a_newcomer_waits_for_its_account_and_not_for_what_is_written_about_it() {
    let cluster = Cluster::default();
    let broker = broker_of(cluster.client());
    let name = identity().name_any();
    let answer = newcomer(&broker, identity()).await.ok().unwrap();
    let uid = "u-1".to_owned();
    let want = Answer {
        name: name.clone(),
        service_account_uid: uid,
        ready: false,
    };
    assert_eq!(answer, want);
    let asked = cluster.asked();
    let made = [
        "POST /api/v1/namespaces/research/serviceaccounts",
        "POST /apis/rbac.authorization.k8s.io/v1/namespaces/research/rolebindings",
    ];
    assert_eq!(asked, made);
    // Who stops waits for what is still to be written.
    cluster.go.notify_one();
    broker.finish().await;
    let status =
        format!("PATCH /apis/namesake.dev/v1alpha1/namespaces/research/identities/{name}/status");
    assert_eq!(cluster.asked(), [status]);
}

#[tokio::test]
async fn of_a_newcomer_with_nothing_but_its_account_nothing_is_written_down() {
    let cluster = Cluster::default();
    let broker = broker_of(cluster.client());
    let mut alone = identity();
    alone.spec.role_bindings.clear();
    let answer = newcomer(&broker, alone).await.ok().unwrap();
    assert_eq!(answer.service_account_uid, "u-1");
    cluster.go.notify_one();
    broker.finish().await;
    let made = ["POST /api/v1/namespaces/research/serviceaccounts"];
    assert_eq!(cluster.asked(), made);
}

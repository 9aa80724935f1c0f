//! By which rules a question is answered.

use std::sync::Mutex;

use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::sync::Notify;

use super::*;
use crate::api::tests::{broker, broker_of};
use crate::fixtures::{self, identity, rules_with};

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

fn account() -> ServiceAccount {
    let mut account = ServiceAccount::default();
    account.metadata.uid = Some("u-1".into());
    account
}

/// What an API server was asked, and whether it may answer.
#[derive(Clone, Default)]
struct Cluster {
    asked: Arc<Mutex<Vec<String>>>,
    go: Arc<Notify>,
}

impl Cluster {
    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let line = format!("{} {}", request.method(), request.uri().path());
        self.asked.lock().unwrap().push(line);
        self.go.notified().await;
        let written = json!(identity()).to_string();
        http::Response::new(Body::from(written.into_bytes()))
    }

    fn client(&self) -> Client {
        let cluster = self.clone();
        fixtures::client(move |request| cluster.clone().answer(request))
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[tokio::test]
async fn a_newcomer_does_not_wait_for_what_is_written_about_its_account() {
    let cluster = Cluster::default();
    let broker = broker_of(cluster.client());
    let name = identity().name_any();
    let answer = newcomer(&broker, identity(), &account());
    let uid = "u-1".to_owned();
    let want = Answer {
        name: name.clone(),
        service_account_uid: uid,
        ready: false,
    };
    assert_eq!(answer, want);
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
    let answer = newcomer(&broker, alone, &account());
    assert_eq!(answer.service_account_uid, "u-1");
    cluster.go.notify_one();
    broker.finish().await;
    assert_eq!(cluster.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_broker_that_has_not_read_the_namespaces_yet_does_not_say_that_one_has_not_opted_in() {
    let broker = broker();
    let error = is_opted_in(&broker, "research", "prod").await.unwrap_err();
    assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(error.reason(), "NotSynced");
    assert!(!error.message().contains("opted"), "{}", error.message());
}

/// An API server with one namespace.
async fn one_namespace(request: http::Request<Body>) -> http::Response<Body> {
    if request
        .uri()
        .query()
        .is_some_and(|query| query.contains("watch=true"))
    {
        std::future::pending::<()>().await;
    }
    let namespace = json!({"metadata": {"name": "research", "resourceVersion": "1", "labels": {"namesake.dev/stack": "dev"}}});
    let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "1"}, "items": [namespace]});
    http::Response::new(Body::from(list.to_string().into_bytes()))
}

#[tokio::test]
async fn a_namespace_that_has_not_opted_in_is_told_what_its_label_says() {
    let (namespaces, task) =
        crate::cluster::namespaces::watch(fixtures::client(one_namespace), Arc::default());
    let task = tokio::spawn(task);
    assert!(namespaces.are_listed().await && namespaces.is_complete());
    assert!(namespaces.opted_in("research", "dev"));
    let other = namespaces.why_not("research", "prod");
    assert!(
        other.contains("stack dev") && other.contains("stack prod"),
        "{other}"
    );
    let none = namespaces.why_not("lab", "prod");
    assert!(
        none.contains("does not have the label namesake.dev/stack"),
        "{none}"
    );
    task.abort();
}

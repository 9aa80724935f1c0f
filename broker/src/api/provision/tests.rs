//! By which rules a request is answered, and what its caller does not wait for.

use axum::http::StatusCode;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;

use super::*;
use crate::api::tests::{broker, broker_with};
use crate::fixtures::{self, identity, rules_with};

#[tokio::test]
async fn a_broker_with_other_rules_than_the_webhook_waits_for_those_and_then_refuses() {
    let broker = broker();
    let (old, new) = (rules_with(""), rules_with("  mode: direct\n"));
    let wanted = new.revision().to_owned();
    assert_ne!(old.revision(), wanted);
    broker.shared.rules.set(old);
    let error = wait::for_rules(&broker, Some(&wanted)).await.err().unwrap();
    assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(error.reason(), Reason::RulesDiffer);
    assert!(error.message().contains(&wanted), "{}", error.message());
    // The request comes right before the broker's own watch shows the edit.
    let request = wait::for_rules(&broker, Some(&wanted));
    let edit = async {
        tokio::task::yield_now().await;
        broker.shared.rules.set(new);
    };
    let (answer, ()) = tokio::join!(request, edit);
    assert_eq!(answer.ok().unwrap().revision(), wanted);
}

#[tokio::test]
async fn a_caller_that_names_no_revision_is_answered_by_the_rules_in_force() {
    let broker = broker();
    let none = wait::for_rules(&broker, None).await.err().unwrap();
    assert_eq!(none.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(none.reason(), Reason::RulesNotLoaded);
    broker.shared.rules.set(rules_with(""));
    assert!(wait::for_rules(&broker, None).await.is_ok());
}

fn account() -> ServiceAccount {
    let mut account = ServiceAccount::default();
    account.metadata.uid = Some("u-1".into());
    account
}

/// An API server that answers when it is told to.
#[derive(Clone, Default)]
struct Cluster {
    requests: Arc<Mutex<Vec<String>>>,
    go: Arc<Notify>,
}

impl Cluster {
    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let path = request.uri().path().to_owned();
        let line = format!("{} {path}", request.method());
        self.requests.lock().push(line);
        self.go.notified().await;
        let written = if path.ends_with("/serviceaccounts") {
            json!(account())
        } else if path.ends_with("/rolebindings") {
            json!(RoleBinding::default())
        } else {
            json!(identity())
        };
        http::Response::new(Body::from(written.to_string().into_bytes()))
    }

    fn client(&self) -> Client {
        let cluster = self.clone();
        fixtures::client(move |request| cluster.clone().answer(request))
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock())
    }
}

#[tokio::test]
async fn a_new_user_does_not_wait_for_the_status_to_be_written() {
    let cluster = Cluster::default();
    let broker = broker_with(cluster.client());
    let name = identity().name_any();
    let answer = answer_created(&broker, identity(), &account());
    let uid = "u-1".to_owned();
    let want = IdentityAnswer {
        name: name.clone(),
        service_account_uid: uid,
        ready: false,
    };
    assert_eq!(answer, want);
    // At shutdown the broker waits for such writes.
    cluster.go.notify_one();
    broker.finish().await;
    let status =
        format!("PATCH /apis/namesake.dev/v1alpha1/namespaces/research/identities/{name}/status");
    assert_eq!(cluster.requests(), [status]);
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_interrupt_the_creation() {
    let cluster = Cluster::default();
    let broker = broker_with(cluster.client());
    let caller = tokio::spawn({
        let broker = Arc::clone(&broker);
        async move {
            let (name, spec) = (identity().name_any(), identity().spec);
            create_to_the_end(&broker, "research", &name, &spec)
                .await
                .map(drop)
        }
    });
    while cluster.requests.lock().len() < 2 {
        tokio::task::yield_now().await;
    }
    cluster.requests();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    let answer_all = async {
        loop {
            cluster.go.notify_waiters();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = broker.finish() => {}
        () = answer_all => {}
    }
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/research/rolebindings";
    let after = cluster.requests();
    assert!(
        after.iter().any(|line| line.contains(bindings)),
        "{after:?}"
    );
}

#[tokio::test]
async fn for_a_new_identity_without_role_bindings_no_status_is_written() {
    let cluster = Cluster::default();
    let broker = broker_with(cluster.client());
    let mut alone = identity();
    alone.spec.role_bindings.clear();
    let answer = answer_created(&broker, alone, &account());
    assert_eq!(answer.service_account_uid, "u-1");
    cluster.go.notify_one();
    broker.finish().await;
    assert_eq!(cluster.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_broker_that_has_not_read_the_namespaces_yet_says_so() {
    let broker = broker();
    let error = wait::for_opt_in(&broker, "research", "prod")
        .await
        .unwrap_err();
    assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(error.reason(), Reason::NotSynced);
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
async fn a_refusal_for_a_namespace_without_the_opt_in_names_its_label() {
    let (namespaces, task) =
        crate::cluster::namespaces::watch(fixtures::client(one_namespace), Arc::default());
    let task = tokio::spawn(task);
    assert!(namespaces.wait_until_synced().await && namespaces.is_synced());
    assert!(namespaces.is_opted_in("research", "dev"));
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

/// An API server whose Identity is changed by another replica before the first patch arrives.
async fn changed_once(
    patches: Arc<Mutex<u32>>,
    request: http::Request<Body>,
) -> http::Response<Body> {
    let is_first = request.method() == http::Method::PATCH && {
        let mut patches = patches.lock();
        *patches += 1;
        *patches == 1
    };
    if !is_first {
        return http::Response::new(Body::from(json!(identity()).to_string().into_bytes()));
    }
    let conflict =
        json!({"kind": "Status", "status": "Failure", "code": 409, "reason": "Conflict"});
    let conflict = Body::from(conflict.to_string().into_bytes());
    let response = http::Response::builder().status(409).body(conflict);
    response.unwrap()
}

#[tokio::test]
async fn an_identity_that_another_replica_changes_at_the_same_time_is_read_again() {
    let patches = Arc::<Mutex<u32>>::default();
    let counted = Arc::clone(&patches);
    let client = fixtures::client(move |request| changed_once(Arc::clone(&counted), request));
    let broker = broker_with(client);
    let mut derived = identity().spec;
    derived.role_bindings.clear();
    let updated = update_existing(&broker, &rules_with(""), identity(), &derived).await;
    assert_eq!(updated.ok().unwrap().name_any(), identity().name_any());
    assert_eq!(*patches.lock(), 2);
}

#[tokio::test]
async fn a_suspended_identity_is_refused_with_that_reason_in_every_phase() {
    let (broker, rules) = (broker(), rules_with(""));
    for phase in [Phase::InUse, Phase::Draining, Phase::Gone] {
        let mut suspended = identity();
        suspended.spec.suspended = true;
        suspended.status.get_or_insert_default().phase = Some(phase);
        let refused = check_serves(&broker, &rules, &suspended).unwrap_err();
        assert_eq!(refused.reason(), Reason::Suspended);
        let message = refused.message();
        assert!(message.contains("spec.suspended"), "{phase:?}: {message}");
    }
}

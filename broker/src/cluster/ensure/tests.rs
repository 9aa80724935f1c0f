//! What is made for a newcomer, with an API server that remembers and can be asked to misbehave.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use kube::client::Body;
use serde_json::Value;
use tokio::sync::Barrier;

use super::*;
use crate::fixtures;

const IDENTITIES: &str = "/apis/namesake.dev/v1alpha1/namespaces/research/identities";
const ACCOUNTS: &str = "/api/v1/namespaces/research/serviceaccounts";
const ROLE_BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/research/rolebindings";

/// Objects by path, with versions and UIDs in the order of writes.
#[derive(Clone, Default)]
struct Cluster {
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
    writes: Arc<Mutex<u32>>,
    /// Where creations wait for each other.
    meet: Option<Arc<Barrier>>,
    /// Paths that answer with a failure.
    broken: Option<&'static str>,
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason});
    (code, status)
}

impl Cluster {
    fn client(&self) -> Client {
        let cluster = self.clone();
        fixtures::client(move |request| cluster.clone().answer(request))
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        if method == Method::POST
            && let Some(meet) = &self.meet
        {
            meet.wait().await;
        }
        let sent = request.into_body().collect_bytes().await.unwrap();
        let sent = serde_json::from_slice(&sent).unwrap_or_default();
        let (code, answer) = self.answers(&method, path, sent);
        let body = Body::from(answer.to_string().into_bytes());
        Response::builder().status(code).body(body).unwrap()
    }

    fn answers(&self, method: &Method, path: String, sent: Value) -> (u16, Value) {
        if self.broken == Some(&path) {
            return failure(500, "InternalError");
        }
        let mut objects = self.objects.lock().unwrap();
        if method == Method::POST {
            let name = sent["metadata"]["name"].as_str().unwrap_or_default();
            let at = format!("{path}/{name}");
            if objects.contains_key(&at) {
                return failure(409, "AlreadyExists");
            }
            let made = self.stamped(sent, true);
            objects.insert(at, made.clone());
            return (201, made);
        }
        if *method == Method::GET && path.ends_with("/rolebindings") {
            let found = objects.iter().filter(|(at, _)| at.starts_with(&path));
            let items: Vec<_> = found.map(|(_, object)| object).collect();
            return (200, json!({"metadata": {}, "items": items}));
        }
        let Some(there) = objects.get(&path).cloned() else {
            return failure(404, "NotFound");
        };
        let is = |wanted: &Value, key: &str| {
            wanted[key].is_null() || wanted[key] == there["metadata"][key]
        };
        if *method == Method::DELETE {
            let exactly = &sent["preconditions"];
            if !is(exactly, "uid") || !is(exactly, "resourceVersion") {
                return failure(409, "Conflict");
            }
            objects.remove(&path);
            return (200, there);
        }
        if *method != Method::PATCH {
            return (200, there);
        }
        let mut changed = there;
        json_patch::merge(&mut changed, &sent);
        let changed = self.stamped(changed, false);
        objects.insert(path, changed.clone());
        (200, changed)
    }

    fn stamped(&self, mut object: Value, new: bool) -> Value {
        let mut writes = self.writes.lock().unwrap();
        *writes += 1;
        object["metadata"]["resourceVersion"] = json!(writes.to_string());
        if new {
            object["metadata"]["uid"] = json!(format!("u-{writes}"));
        }
        object
    }

    fn has(&self, under: &str) -> Vec<Value> {
        let objects = self.objects.lock().unwrap();
        let found = objects.iter().filter(|(path, _)| path.starts_with(under));
        found.map(|(_, object)| object.clone()).collect()
    }

    fn put(&self, under: &str, object: Value) {
        let made = self.answers(&Method::POST, under.to_owned(), object);
        assert_eq!(made.0, 201, "{made:?}");
    }

    async fn newcomer(&self) -> Result<Made, Error> {
        let wanted = fixtures::identity();
        newcomer(&self.client(), "research", &wanted.name_any(), &wanted.spec).await
    }
}

fn now(made: Made) -> (Identity, ServiceAccount) {
    match made {
        Made::Now(identity, account) => (*identity, *account),
        Made::Before(identity) => panic!("{identity:?}"),
    }
}

/// A KSA made together with an Identity of this number, which is not there.
fn cut(number: &str) -> Value {
    let mut identity = fixtures::identity();
    identity.metadata.uid = None;
    let annotations = identity.annotations_mut();
    annotations.insert(names::CREATION_ANNOTATION.into(), number.into());
    let mark = objects::mark(&identity).unwrap();
    json!(objects::service_account(&identity, &mark))
}

#[tokio::test]
async fn identity_and_account_are_asked_for_at_once_and_belong_together() {
    let mut cluster = Cluster {
        meet: Some(Arc::new(Barrier::new(2))),
        ..Cluster::default()
    };
    let mut wanted = fixtures::identity();
    wanted.spec.role_bindings.clear();
    let (client, name) = (cluster.client(), wanted.name_any());
    let made = newcomer(&client, "research", &name, &wanted.spec);
    let (identity, account) = now(made.await.unwrap());
    assert!(account.owner_references().is_empty());
    let mark = objects::mark(&identity).unwrap();
    let owned = objects::service_account(&identity, &mark);
    assert_eq!(objects::judge(&account, &owned), Judgement::Unowned);
    // It is owned as soon as anybody looks closely, and stays the same.
    cluster.meet = None;
    let repaired = service_account(&cluster.client(), &identity).await;
    let repaired = repaired.unwrap();
    assert_eq!(objects::judge(&repaired, &owned), Judgement::Right);
    assert_eq!(repaired.uid(), account.uid());
}

#[tokio::test]
async fn two_numbers_are_never_the_same() {
    assert_ne!(number().unwrap(), number().unwrap());
    assert_eq!(number().unwrap().len(), 32);
}

#[tokio::test]
async fn an_account_made_for_an_identity_that_was_refused_is_taken_back() {
    let cluster = Cluster {
        broken: Some(IDENTITIES),
        ..Cluster::default()
    };
    assert!(matches!(cluster.newcomer().await, Err(Error::Kube { .. })));
    assert_eq!(cluster.has(ACCOUNTS), Vec::<Value>::new());
    // Somebody else's Identity has the name.
    let cluster = Cluster::default();
    let mut other = fixtures::identity();
    other.spec.user = "bob@acme.com".into();
    cluster.put(IDENTITIES, json!(other));
    let refused = cluster.newcomer().await;
    assert!(
        matches!(refused, Err(Error::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(cluster.has(ACCOUNTS), Vec::<Value>::new());
}

#[tokio::test]
async fn what_another_request_made_first_is_what_both_get() {
    let cluster = Cluster::default();
    let (first, _) = now(cluster.newcomer().await.unwrap());
    let bound = cluster.has(ROLE_BINDINGS);
    let of = json!([[first.uid(), first.name_any()]]);
    let to = |b: &Value| {
        json!([
            b["metadata"]["ownerReferences"][0]["uid"],
            b["subjects"][0]["name"]
        ])
    };
    assert_eq!(json!(bound.iter().map(to).collect::<Vec<_>>()), of);
    let account = cluster.has(ACCOUNTS).remove(0);
    let Made::Before(there) = cluster.newcomer().await.unwrap() else {
        panic!("made twice");
    };
    assert_eq!(there.uid(), first.uid());
    let second = service_account(&cluster.client(), &there).await.unwrap();
    assert_eq!(json!(second.uid()), account["metadata"]["uid"]);
}

#[tokio::test]
async fn an_account_that_only_looks_like_ours_is_nobodys_and_its_uid_is_gone() {
    let cluster = Cluster::default();
    cluster.put(ACCOUNTS, cut("guessed"));
    let forged = cluster.has(ACCOUNTS).remove(0)["metadata"]["uid"].clone();
    let (identity, account) = now(cluster.newcomer().await.unwrap());
    assert_ne!(json!(account.uid()), forged);
    assert!(objects::owns(&identity, &account.metadata));
    assert_eq!(cluster.has(ACCOUNTS).len(), 1);
    // That of somebody who does not look like us at all is in the way, and stays.
    let cluster = Cluster::default();
    let name = fixtures::identity().name_any();
    cluster.put(ACCOUNTS, json!({"metadata": {"name": name}}));
    let refused = cluster.newcomer().await;
    assert!(
        matches!(refused, Err(Error::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(cluster.has(ACCOUNTS).len(), 1);
    assert_eq!(cluster.has(ROLE_BINDINGS), Vec::<Value>::new());
}

/// A number on an Identity can be edited away by an admin: pods that run as its account keep it.
#[tokio::test]
async fn the_account_that_is_recorded_stays_whatever_its_number_says() {
    let cluster = Cluster::default();
    let (mut identity, account) = now(cluster.newcomer().await.unwrap());
    identity.metadata.annotations = None;
    identity.status.get_or_insert_default().service_account_uid = account.uid();
    let kept = service_account(&cluster.client(), &identity).await.unwrap();
    assert_eq!(kept.uid(), account.uid());
    assert!(objects::owns(&identity, &kept.metadata));
}

#[tokio::test]
async fn who_leaves_takes_along_an_account_that_was_never_owned() {
    let cluster = Cluster::default();
    let (identity, _) = now(cluster.newcomer().await.unwrap());
    removed(&cluster.client(), &identity).await.unwrap();
    assert_eq!(cluster.has(ACCOUNTS), Vec::<Value>::new());
}

#[tokio::test]
async fn an_account_is_owned_without_a_look_at_it_and_what_else_was_changed_is_seen_then() {
    let cluster = Cluster::default();
    let (mut identity, account) = now(cluster.newcomer().await.unwrap());
    identity.status.get_or_insert_default().service_account_uid = account.uid();
    let (there, judged) = owned(&cluster.client(), &identity).await.unwrap();
    assert!(objects::owns(&identity, &there.metadata));
    assert_eq!((there.uid(), judged), (account.uid(), Judgement::Right));
    // Owned, it goes with its Identity, by Kubernetes.
    unowned_removed(&cluster.client(), &identity).await.unwrap();
    assert_eq!(cluster.has(ACCOUNTS).len(), 1);
}

#[tokio::test]
async fn an_account_that_is_not_owned_yet_goes_before_its_identity_and_nobody_elses_does() {
    let cluster = Cluster::default();
    let (identity, _) = now(cluster.newcomer().await.unwrap());
    let mut other = identity.clone();
    other.metadata.annotations = None;
    unowned_removed(&cluster.client(), &other).await.unwrap();
    assert_eq!(cluster.has(ACCOUNTS).len(), 1);
    unowned_removed(&cluster.client(), &identity).await.unwrap();
    assert_eq!(cluster.has(ACCOUNTS), Vec::<Value>::new());
    unowned_removed(&cluster.client(), &identity).await.unwrap();
}

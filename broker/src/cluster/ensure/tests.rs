//! Creation of the objects of an identity, with an API server that stores objects and can fail.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, Request, Response};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Barrier;

use super::*;
use crate::fixtures;
use crate::identity::objects::judgement::{self, Judgement};

const IDENTITIES: &str = "/apis/namesake.dev/v1alpha1/namespaces/research/identities";
const ACCOUNTS: &str = "/api/v1/namespaces/research/serviceaccounts";
const ROLE_BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/research/rolebindings";

/// Objects by path; versions and UIDs count writes.
#[derive(Clone, Default)]
struct Cluster {
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
    writes: Arc<Mutex<u32>>,
    /// Creations wait here for each other.
    meet: Option<Arc<Barrier>>,
    /// So many of the next patches arrive after the same patch of another replica.
    late_patches: Arc<Mutex<u32>>,
    /// A path that fails.
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
        let mut objects = self.objects.lock();
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
        let mut changed = there.clone();
        json_patch::merge(&mut changed, &sent);
        let changed = self.stamped(changed, false);
        let mut late = self.late_patches.lock();
        let is_late = *late > 0 && !sent["metadata"]["resourceVersion"].is_null();
        *late -= u32::from(is_late);
        let is_this = is(&sent["metadata"], "resourceVersion");
        if is_this {
            objects.insert(path, changed.clone());
        }
        if is_late || !is_this {
            return failure(409, "Conflict");
        }
        (200, changed)
    }

    fn stamped(&self, mut object: Value, new: bool) -> Value {
        let mut writes = self.writes.lock();
        *writes += 1;
        object["metadata"]["resourceVersion"] = json!(writes.to_string());
        if new {
            object["metadata"]["uid"] = json!(format!("u-{writes}"));
        }
        object
    }

    fn has(&self, under: &str) -> Vec<Value> {
        let objects = self.objects.lock();
        let found = objects.iter().filter(|(path, _)| path.starts_with(under));
        found.map(|(_, object)| object.clone()).collect()
    }

    fn put(&self, under: &str, object: Value) {
        let made = self.answers(&Method::POST, under.to_owned(), object);
        assert_eq!(made.0, 201, "{made:?}");
    }

    async fn create_identity(&self) -> Result<Ensured, EnsureError> {
        let wanted = fixtures::identity();
        create_identity(&self.client(), "research", &wanted.name_any(), &wanted.spec).await
    }
}

fn created(ensured: Ensured) -> (Identity, ServiceAccount) {
    match ensured {
        Ensured::Created(identity, account) => (*identity, *account),
        Ensured::Existing(identity) => panic!("{identity:?}"),
    }
}

/// A KSA that was created together with an Identity of this id, which does not exist.
fn orphaned(id: &str) -> Value {
    let mut identity = fixtures::identity();
    identity.metadata.uid = None;
    let annotations = identity.annotations_mut();
    annotations.insert(names::CREATION_ANNOTATION.into(), id.into());
    let mark = objects::mark(&identity).unwrap();
    json!(objects::service_account(&identity, &mark))
}

#[tokio::test]
async fn identity_and_ksa_are_created_at_the_same_time_and_belong_together() {
    let mut cluster = Cluster {
        meet: Some(Arc::new(Barrier::new(2))),
        ..Cluster::default()
    };
    let mut wanted = fixtures::identity();
    wanted.spec.role_bindings.clear();
    let (client, name) = (cluster.client(), wanted.name_any());
    let ensured = create_identity(&client, "research", &name, &wanted.spec);
    let (identity, account) = created(ensured.await.unwrap());
    assert!(account.owner_references().is_empty());
    let mark = objects::mark(&identity).unwrap();
    let owned = objects::service_account(&identity, &mark);
    assert_eq!(judgement::judge(&account, &owned), Judgement::Unowned);
    // The controller sets the owner, and the KSA stays the same.
    cluster.meet = None;
    let repaired = ensure_service_account(&cluster.client(), &identity).await;
    let repaired = repaired.unwrap();
    assert_eq!(judgement::judge(&repaired, &owned), Judgement::Right);
    assert_eq!(repaired.uid(), account.uid());
}

#[tokio::test]
async fn random_ids_differ() {
    assert_ne!(random_id().unwrap(), random_id().unwrap());
    assert_eq!(random_id().unwrap().len(), 32);
}

#[tokio::test]
async fn the_ksa_of_an_identity_that_could_not_be_created_is_deleted() {
    let cluster = Cluster {
        broken: Some(IDENTITIES),
        ..Cluster::default()
    };
    assert!(matches!(
        cluster.create_identity().await,
        Err(EnsureError::Kube { .. })
    ));
    assert_eq!(cluster.has(ACCOUNTS), Vec::<Value>::new());
    // Another Identity has the name.
    let cluster = Cluster::default();
    let mut other = fixtures::identity();
    other.spec.user = "bob@acme.com".into();
    cluster.put(IDENTITIES, json!(other));
    let refused = cluster.create_identity().await;
    assert!(
        matches!(refused, Err(EnsureError::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(cluster.has(ACCOUNTS), Vec::<Value>::new());
}

#[tokio::test]
async fn concurrent_requests_get_the_same_identity() {
    let cluster = Cluster::default();
    let (first, _) = created(cluster.create_identity().await.unwrap());
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
    let Ensured::Existing(there) = cluster.create_identity().await.unwrap() else {
        panic!("created twice");
    };
    assert_eq!(there.uid(), first.uid());
    let second = ensure_service_account(&cluster.client(), &there)
        .await
        .unwrap();
    assert_eq!(json!(second.uid()), account["metadata"]["uid"]);
}

/// The leader sets the owner of a new KSA while the broker answers the second request for it.
#[tokio::test]
async fn a_ksa_that_another_replica_repairs_at_the_same_time_is_used() {
    let cluster = Cluster::default();
    let (identity, account) = created(cluster.create_identity().await.unwrap());
    *cluster.late_patches.lock() = 1;
    let repaired = ensure_service_account(&cluster.client(), &identity).await;
    let repaired = repaired.unwrap();
    assert_eq!(*cluster.late_patches.lock(), 0);
    assert!(judgement::owns(&identity, &repaired.metadata));
    assert_eq!(repaired.uid(), account.uid());
}

#[tokio::test]
async fn a_ksa_that_only_looks_like_ours_is_replaced() {
    let cluster = Cluster::default();
    cluster.put(ACCOUNTS, orphaned("guessed"));
    let forged = cluster.has(ACCOUNTS).remove(0)["metadata"]["uid"].clone();
    let (identity, account) = created(cluster.create_identity().await.unwrap());
    assert_ne!(json!(account.uid()), forged);
    assert!(judgement::owns(&identity, &account.metadata));
    assert_eq!(cluster.has(ACCOUNTS).len(), 1);
    // A KSA without our mark is a conflict, and stays.
    let cluster = Cluster::default();
    let name = fixtures::identity().name_any();
    cluster.put(ACCOUNTS, json!({"metadata": {"name": name}}));
    let refused = cluster.create_identity().await;
    assert!(
        matches!(refused, Err(EnsureError::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(cluster.has(ACCOUNTS).len(), 1);
    assert_eq!(cluster.has(ROLE_BINDINGS), Vec::<Value>::new());
}

/// An admin may remove the creation id from an Identity: its pods keep their KSA.
#[tokio::test]
async fn a_recorded_ksa_stays_whatever_its_creation_id() {
    let cluster = Cluster::default();
    let (mut identity, account) = created(cluster.create_identity().await.unwrap());
    identity.metadata.annotations = None;
    identity.status.get_or_insert_default().service_account_uid = account.uid();
    let kept = ensure_service_account(&cluster.client(), &identity)
        .await
        .unwrap();
    assert_eq!(kept.uid(), account.uid());
    assert!(judgement::owns(&identity, &kept.metadata));
}

#[tokio::test]
async fn a_ksa_without_an_owner_is_deleted_with_its_identity() {
    let cluster = Cluster::default();
    let (identity, _) = created(cluster.create_identity().await.unwrap());
    delete_account_and_bindings(&cluster.client(), &identity)
        .await
        .unwrap();
    assert_eq!(cluster.has(ACCOUNTS), Vec::<Value>::new());
}

#[tokio::test]
async fn setting_the_owner_returns_the_ksa_to_be_judged() {
    let cluster = Cluster::default();
    let (mut identity, account) = created(cluster.create_identity().await.unwrap());
    identity.status.get_or_insert_default().service_account_uid = account.uid();
    let (there, judged) = set_owner(&cluster.client(), &identity).await.unwrap();
    assert!(judgement::owns(&identity, &there.metadata));
    assert_eq!((there.uid(), judged), (account.uid(), Judgement::Right));
    // Kubernetes deletes a KSA with an owner.
    delete_if_unowned(&cluster.client(), &identity)
        .await
        .unwrap();
    assert_eq!(cluster.has(ACCOUNTS).len(), 1);
}

#[tokio::test]
async fn only_the_identitys_own_ksa_without_an_owner_is_deleted() {
    let cluster = Cluster::default();
    let (identity, _) = created(cluster.create_identity().await.unwrap());
    let mut other = identity.clone();
    other.metadata.annotations = None;
    delete_if_unowned(&cluster.client(), &other).await.unwrap();
    assert_eq!(cluster.has(ACCOUNTS).len(), 1);
    delete_if_unowned(&cluster.client(), &identity)
        .await
        .unwrap();
    assert_eq!(cluster.has(ACCOUNTS), Vec::<Value>::new());
    delete_if_unowned(&cluster.client(), &identity)
        .await
        .unwrap();
}

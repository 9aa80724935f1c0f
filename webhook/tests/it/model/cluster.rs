//! The API server of the model: it answers a GET with the object as it is now.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::kinds::Kind;

/// The objects that exist, by the end of their path.
#[derive(Clone, Default)]
pub(crate) struct Cluster(Arc<Mutex<BTreeMap<String, Value>>>);

fn key(kind: Kind, object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    format!("{}/{name}", kind.plural())
}

impl Cluster {
    /// A client of it. Call it inside a runtime.
    pub(crate) fn client(&self) -> Client {
        let objects = self.0.clone();
        let service = tower::service_fn(move |request: axum::http::Request<Body>| {
            let mut parts = request.uri().path().rsplit('/');
            let (name, plural) = (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            );
            let found = objects
                .lock()
                .unwrap()
                .get(&format!("{plural}/{name}"))
                .cloned();
            let gone = || {
                json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound",
                "code": 404, "message": "gone"})
            };
            let status = if found.is_some() { 200 } else { 404 };
            let body = Body::from(found.unwrap_or_else(gone).to_string().into_bytes());
            let answer = axum::http::Response::builder().status(status).body(body);
            async move { Ok::<_, Infallible>(answer.unwrap()) }
        });
        Client::new(service, "default")
    }

    pub(crate) fn has(&self, kind: Kind, object: &Value) -> bool {
        self.0.lock().unwrap().contains_key(&key(kind, object))
    }

    pub(crate) fn put(&self, kind: Kind, object: &Value) {
        let (group, version, name) = kind.gvk();
        let mut complete = object.clone();
        complete["apiVersion"] = json!(format!("{group}/{version}"));
        complete["kind"] = json!(name);
        self.0.lock().unwrap().insert(key(kind, object), complete);
    }

    pub(crate) fn remove(&self, kind: Kind, object: &Value) {
        self.0.lock().unwrap().remove(&key(kind, object));
    }
}

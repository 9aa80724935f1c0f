//! The API server of the model, as admission asks it: one GET of what is there now.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::kinds::Kind;

/// What is there, by the end of its path.
#[derive(Clone, Default)]
pub(crate) struct Cluster(Arc<Mutex<BTreeMap<String, Value>>>);

fn key(kind: Kind, object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    format!("{}/{name}", kind.plural())
}

impl Cluster {
    /// A client of it; needs a runtime around it.
    pub(crate) fn client(&self) -> Client {
        let there = self.0.clone();
        let service = tower::service_fn(move |request: axum::http::Request<Body>| {
            let mut parts = request.uri().path().rsplit('/');
            let (name, plural) = (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            );
            let found = there
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
        let mut whole = object.clone();
        whole["apiVersion"] = json!(format!("{group}/{version}"));
        whole["kind"] = json!(name);
        self.0.lock().unwrap().insert(key(kind, object), whole);
    }

    pub(crate) fn remove(&self, kind: Kind, object: &Value) {
        self.0.lock().unwrap().remove(&key(kind, object));
    }
}

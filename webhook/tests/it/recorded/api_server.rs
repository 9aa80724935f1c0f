//! The API server while recorded requests are replayed: it answers GET, and LIST by one label, with the objects as they are now.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// The objects of one namespace, by plural and name.
#[derive(Clone, Default)]
pub(super) struct ApiServer(Arc<Mutex<BTreeMap<(String, String), Value>>>);

impl ApiServer {
    /// A client of it. Call it inside a runtime.
    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: axum::http::Request<Body>| {
            let (status, body) = server.answer(request.uri());
            let body = Body::from(body.to_string().into_bytes());
            let answer = axum::http::Response::builder().status(status).body(body);
            async move { Ok::<_, Infallible>(answer.unwrap()) }
        });
        Client::new(service, "default")
    }

    pub(super) fn get(&self, plural: &str, name: &str) -> Option<Value> {
        let key = (plural.to_owned(), name.to_owned());
        self.0.lock().unwrap().get(&key).cloned()
    }

    pub(super) fn put(&self, plural: &str, name: &str, object: Value) {
        let key = (plural.to_owned(), name.to_owned());
        self.0.lock().unwrap().insert(key, object);
    }

    pub(super) fn remove(&self, plural: &str, name: &str) {
        let key = (plural.to_owned(), name.to_owned());
        self.0.lock().unwrap().remove(&key);
    }

    // `/api/v1/namespaces/N/PLURAL[/NAME]`, or the same under `/apis/GROUP/VERSION`.
    fn answer(&self, uri: &axum::http::Uri) -> (u16, Value) {
        let mut parts = uri.path().split('/').skip_while(|p| *p != "namespaces");
        let (plural, name) = (parts.nth(2).unwrap_or_default(), parts.next());
        if let Some(name) = name {
            return match self.get(plural, name) {
                Some(object) => (200, object),
                None => (
                    404,
                    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound",
                        "code": 404, "message": format!("{plural} {name} not found")}),
                ),
            };
        }
        let selector = selector(uri.query().unwrap_or_default());
        let all = self.0.lock().unwrap();
        let items = all.iter().filter(|((of, _), object)| {
            let labels = &object["metadata"]["labels"];
            of == plural && selector.as_ref().is_none_or(|(k, v)| labels[k] == **v)
        });
        let items: Vec<_> = items.map(|(_, object)| object.clone()).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items});
        (200, list)
    }
}

fn selector(query: &str) -> Option<(String, String)> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, text) = pairs.find(|(key, _)| *key == "labelSelector")?;
    let text = text.replace("%2F", "/").replace("%3D", "=");
    let (key, value) = text.split_once('=')?;
    Some((key.to_owned(), value.to_owned()))
}

//! The metadata servers of a replay: one per pod of the report.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::Request;
use secrecy::SecretString;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::issuer::{Issuer, Ksa};
use super::report::{Exchange, Names, Pod};
use crate::api::body::read_body;
use crate::metadata::{self, InstanceInfo, PodAccount, SourceError, TokenSource};

/// The servers by the name of their pod, so that each keeps its cached tokens.
#[derive(Default)]
pub(super) struct Pods(BTreeMap<String, Router>);

struct Source {
    pod: Pod,
    issuer: Arc<Issuer>,
}

impl TokenSource for Source {
    async fn account(&self) -> Result<PodAccount, SourceError> {
        Ok(PodAccount {
            namespace: self.pod.namespace.clone(),
            name: self.pod.name.clone(),
            annotations: self.pod.annotations.clone(),
        })
    }

    async fn token(&self, audience: &str) -> Result<SecretString, SourceError> {
        let ksa = Ksa {
            namespace: &self.pod.namespace,
            name: &self.pod.name,
            uid: &self.pod.uid,
        };
        Ok(self.issuer.token(&ksa, audience, true).into())
    }
}

impl Pods {
    /// Sends a request to the metadata server of a pod; status and body. A body that is not a JSON object is returned as a string.
    pub(super) async fn ask(
        &mut self,
        exchange: &Exchange,
        pod: &Pod,
        google: &str,
        names: &Names,
        issuer: &Arc<Issuer>,
    ) -> (u16, Value) {
        let server = self.0.entry(pod.pod.clone()).or_insert_with(|| {
            let source = Source {
                pod: pod.clone(),
                issuer: Arc::clone(issuer),
            };
            let number = names.cluster_project_number.parse().unwrap_or_default();
            let identity = metadata::Pod::new(google, &names.pool, number, &names.issuer, source);
            metadata::router(instance(names, number, &pod.pod), Arc::new(identity))
        });
        let default = BTreeMap::from([("Metadata-Flavor".to_owned(), "Google".to_owned())]);
        let headers = exchange.headers.as_ref().unwrap_or(&default);
        let mut request = Request::builder().method("GET").uri(&exchange.path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let Ok(request) = request.body(Body::empty()) else {
            return (0, Value::Null);
        };
        let Ok(answer) = server.clone().oneshot(request).await;
        let status = answer.status().as_u16();
        let body = read_body(answer.into_body()).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        let parsed = serde_json::from_str(&text).ok().filter(Value::is_object);
        (status, parsed.unwrap_or_else(|| json!(text)))
    }
}

/// The pod's place: the issuer's URL ends in `/projects/P/locations/L/clusters/C`.
fn instance(names: &Names, number: u64, pod: &str) -> InstanceInfo {
    let mut parts = names.issuer.rsplit('/');
    let cluster = parts.next().unwrap_or_default();
    let location = parts.nth(1).unwrap_or_default();
    InstanceInfo {
        project_id: names.cluster_project.clone(),
        project_number: number,
        cluster_name: cluster.to_owned(),
        cluster_location: location.to_owned(),
        zone: format!("{location}-a"),
        hostname: pod.to_owned(),
    }
}

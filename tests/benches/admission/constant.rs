//! The webhooks that others are compared with: one answers a constant, the least that a webhook can do, and one makes a constant
//! change, the least that a webhook can do which changes anything.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use data_encoding::BASE64;
use kube::Client;
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::stack::other_webhook::listen_with_certificate;
use serde_json::{Value, json};

/// Where it listens, and whom the API server has to trust.
pub(crate) struct Constant {
    address: SocketAddr,
    ca_bundle: String,
}

impl Constant {
    /// Starts it in a thread and a runtime of its own, until the process ends. Its authority is kept in this namespace.
    ///
    /// # Errors
    /// It cannot listen, or gets no certificate.
    pub(crate) async fn start(client: &Client, namespace: &str) -> Result<Self> {
        let (listener, tls, authority) = listen_with_certificate(client, namespace).await?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || serve(listener, tls));
        Ok(Self {
            address,
            ca_bundle: BASE64.encode(authority.bundle_pem().as_bytes()),
        })
    }

    /// The configuration that calls it at the path of this name, for pods of namespaces whose label has this value.
    pub(crate) fn configuration(&self, label: &str, name: &str) -> Value {
        let url = format!("https://{}/{name}", self.address);
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": format!("{name}.example.com"),
                "clientConfig": {"url": url, "caBundle": self.ca_bundle},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
                "namespaceSelector": {"matchLabels": {(label): name}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "reinvocationPolicy": "IfNeeded",
                "timeoutSeconds": 10,
            }],
        })
    }
}

fn serve(listener: TcpListener, tls: RustlsConfig) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
        axum_server::from_tcp(listener)?
            .acceptor(acceptor)
            .serve(app().into_make_service())
            .await
            .context("the constant webhook ended")
    })
}

fn app() -> Router {
    let patch = [
        json!({"op": "add", "path": "/spec/serviceAccountName", "value": "mapped"}),
        json!({"op": "add", "path": "/metadata/labels/namesake.dev~1identity", "value": "mapped"}),
        json!({"op": "add", "path": "/metadata/annotations/namesake.dev~1user", "value": ALICE}),
    ];
    let patch = BASE64.encode(json!(patch).to_string().as_bytes());
    let change: Arc<str> = format!(r#","patchType":"JSONPatch","patch":"{patch}""#).into();
    Router::new()
        .route("/constant", post(answer))
        .with_state("".into())
        .merge(
            Router::new()
                .route("/change", post(answer))
                .with_state(change),
        )
}

// The API server accepts only an answer with the UID of its request, which is at the beginning of the body.
async fn answer(State(change): State<Arc<str>>, body: Bytes) -> impl axum::response::IntoResponse {
    const KEY: &[u8] = br#""uid":""#;
    let at = body.windows(KEY.len()).position(|window| window == KEY);
    let rest = at.and_then(|at| body.get(at + KEY.len()..));
    let uid = rest.and_then(|rest| rest.split(|byte| *byte == b'"').next());
    let uid = String::from_utf8_lossy(uid.unwrap_or_default());
    let answer = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{{"uid":"{uid}","allowed":true{change}}}}}"#
    );
    ([(CONTENT_TYPE, "application/json")], answer)
}

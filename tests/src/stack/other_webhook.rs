//! Another mutating webhook, called after ours: it writes what a test tells it into every pod of one namespace.

use std::net::Ipv4Addr;

use anyhow::Result;
use axum::{Json, Router, routing::post};
use axum_server::{Handle, tls_rustls::RustlsConfig};
use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{Api, Client, api::DeleteParams};
use namesake_certs::{Authority, Resolver, server_config};
use serde_json::{Value, json};

use crate::{cluster::manifests, namespace::TestNamespace};

/// Whether it is asked again when somebody changed the pod after it.
#[derive(Debug, Clone, Copy)]
pub enum Reinvocation {
    /// Once and no more.
    Never,
    /// It insists.
    IfNeeded,
}

/// Such a webhook. Drop it only after [`OtherWebhook::delete`], or pods of the namespace are refused from then on.
pub struct OtherWebhook {
    name: String,
    client: Client,
    handle: Handle<std::net::SocketAddr>,
}

impl OtherWebhook {
    /// Starts one that applies this JSON patch to the pods of a test's namespace. Configurations are called in the order of
    /// their names: its comes after ours.
    ///
    /// # Errors
    /// No port, no certificate, or the API server refuses.
    pub async fn start(ns: &TestNamespace, patch: &Value, again: Reinvocation) -> Result<Self> {
        Self::named(&format!("zz-{}", ns.name), ns, patch, again).await
    }

    /// As [`OtherWebhook::start`], but it is called before ours.
    ///
    /// # Errors
    /// See [`OtherWebhook::start`].
    pub async fn start_before_ours(ns: &TestNamespace, patch: &Value) -> Result<Self> {
        Self::named(&format!("aa-{}", ns.name), ns, patch, Reinvocation::Never).await
    }

    async fn named(
        name: &str,
        ns: &TestNamespace,
        patch: &Value,
        again: Reinvocation,
    ) -> Result<Self> {
        let client = ns.admin().await?.client().clone();
        let authority = Authority::ensure(&client, &ns.name, Timestamp::now()).await?;
        let names = [Ipv4Addr::LOCALHOST.to_string()];
        let leaf = authority.issue(&names, Timestamp::now(), SignedDuration::from_hours(1))?;
        let tls = RustlsConfig::from_config(server_config(Resolver::new(&leaf).into())?);
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let handle = Handle::new();
        let encoded = BASE64.encode(patch.to_string().as_bytes());
        let answer = move |Json(review): Json<Value>| async move {
            Json(
                json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
                    "uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch", "patch": encoded,
                }}),
            )
        };
        let app = Router::new().route("/", post(answer));
        let server = axum_server::from_tcp_rustls(listener, tls)?.handle(handle.clone());
        tokio::spawn(server.serve(app.into_make_service()));
        let name = name.to_owned();
        let again = match again {
            Reinvocation::Never => "Never",
            Reinvocation::IfNeeded => "IfNeeded",
        };
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": name},
            "webhooks": [{
                "name": "other.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": {"url": format!("https://{address}/"), "caBundle": BASE64.encode(authority.bundle_pem().as_bytes())},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns.name}},
                "reinvocationPolicy": again,
            }],
        });
        manifests::apply(&client, &configuration, &ns.name, false).await?;
        Ok(Self {
            name,
            client,
            handle,
        })
    }

    /// Takes it away.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn delete(self) -> Result<()> {
        let configurations: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        configurations
            .delete(&self.name, &DeleteParams::default())
            .await?;
        self.handle.shutdown();
        Ok(())
    }
}

//! Another mutating webhook, which applies a patch to every pod of one namespace, after ours or before.

use std::net::{Ipv4Addr, TcpListener};

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

/// The reinvocation policy of the other webhook.
#[derive(Debug, Clone, Copy)]
pub enum Reinvocation {
    /// The API server calls it once.
    Never,
    /// The API server calls it again if another webhook changed the pod after it.
    IfNeeded,
}

/// The other webhook. Call [`OtherWebhook::delete`], else all pods of the namespace are refused after the drop.
pub struct OtherWebhook {
    name: String,
    client: Client,
    handle: Handle<std::net::SocketAddr>,
}

/// A listener on loopback, and a TLS configuration with a certificate of an authority that is kept in this namespace.
///
/// # Errors
/// No port is free, or no certificate is issued.
pub async fn listen_with_certificate(
    client: &Client,
    namespace: &str,
) -> Result<(TcpListener, RustlsConfig, Authority)> {
    let authority = Authority::ensure(client, namespace, Timestamp::now()).await?;
    let names = [Ipv4Addr::LOCALHOST.to_string()];
    let leaf = authority.issue(&names, Timestamp::now(), SignedDuration::from_hours(1))?;
    let tls = RustlsConfig::from_config(server_config(Resolver::new(&leaf).into())?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok((listener, tls, authority))
}

impl OtherWebhook {
    /// Starts a webhook that applies this JSON patch to the pods of a test's namespace. The API server calls configurations in
    /// the order of their names: this one comes after ours.
    ///
    /// # Errors
    /// It cannot listen or get a certificate, or the API server refuses the configuration.
    pub async fn start(ns: &TestNamespace, patch: &Value, again: Reinvocation) -> Result<Self> {
        Self::named(&format!("zzz-{}", ns.name), ns, patch, again).await
    }

    /// As [`OtherWebhook::start`], but called before ours.
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
        let (listener, tls, authority) = listen_with_certificate(&client, &ns.name).await?;
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

    /// Deletes the configuration and stops the server.
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

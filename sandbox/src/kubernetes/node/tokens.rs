//! Service account tokens for pods, requested as the node and bound to the pod.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{Pod, ServiceAccount},
};
use kube::{Api, Client, api::PostParams};
use secrecy::SecretString;

/// The pod for which tokens are requested.
#[derive(Debug, Clone)]
pub struct PodIdentity {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's UID: a token becomes invalid with its pod.
    pub uid: String,
    /// The pod's service account.
    pub service_account: String,
}

impl PodIdentity {
    /// The identity of a pod of the API server.
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        let account = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.service_account_name.clone());
        Self {
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
            pod: pod.metadata.name.clone().unwrap_or_default(),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            service_account: account.unwrap_or_else(|| "default".to_owned()),
        }
    }
}

/// A token, and when it expires.
#[derive(Debug, Clone)]
pub struct Token {
    /// The signed token.
    pub token: SecretString,
    /// When it expires.
    pub expires: Timestamp,
}

/// Requests a token. Without `audience` it is for the API server. `lifetime` is at least 10 minutes.
///
/// # Errors
/// The API server refuses.
pub async fn request(
    client: &Client,
    pod: &PodIdentity,
    audience: Option<&str>,
    lifetime: Duration,
) -> Result<Token> {
    let bound = BoundObjectReference {
        api_version: Some("v1".into()),
        kind: Some("Pod".into()),
        name: Some(pod.pod.clone()),
        uid: Some(pod.uid.clone()),
    };
    let spec = TokenRequestSpec {
        audiences: audience.map(|it| vec![it.to_owned()]),
        bound_object_ref: Some(bound),
        expiration_seconds: i64::try_from(lifetime.as_secs()).ok(),
        ..TokenRequestSpec::default()
    };
    let body = TokenRequest {
        spec: Some(spec),
        ..TokenRequest::default()
    };
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &pod.namespace);
    let answer = accounts
        .create_token_request(&pod.service_account, &PostParams::default(), &body)
        .await
        .with_context(|| {
            format!(
                "cannot get a token for service account {:?}",
                pod.service_account
            )
        })?;
    let status = answer.status.context("the TokenRequest has no status")?;
    let token = status
        .token
        .context("the TokenRequest has no token")?
        .into();
    let expires = status
        .expiration_timestamp
        .context("the TokenRequest has no expiration")?
        .0;
    Ok(Token { token, expires })
}

//! A metadata server per pod, as GKE has one on each node.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use namesake_gcp_emulator::metadata::{Pod, PodAccount, SourceError, TokenSource};
use secrecy::SecretString;

use super::tokens::{self, PodIdentity};
use crate::{
    ISSUER, WORKLOAD_POOL,
    google::{PROJECT_NUMBER, metadata::MetadataServer},
};

const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// Starts the server of one pod; `google` is the emulator's URL.
pub(super) async fn serve(
    google: &str,
    node: &Client,
    pod: &PodIdentity,
) -> Result<MetadataServer> {
    let source = Source {
        node: node.clone(),
        pod: pod.clone(),
    };
    let identity = Pod::new(google, WORKLOAD_POOL, PROJECT_NUMBER, ISSUER, source);
    MetadataServer::start(Arc::new(identity), &pod.pod).await
}

/// Reads service accounts and tokens from the cluster, as the node.
struct Source {
    node: Client,
    pod: PodIdentity,
}

impl TokenSource for Source {
    async fn account(&self) -> Result<PodAccount, SourceError> {
        let accounts = Api::<ServiceAccount>::namespaced(self.node.clone(), &self.pod.namespace);
        let account = accounts
            .get(&self.pod.service_account)
            .await
            .map_err(|error| SourceError(error.to_string()))?;
        Ok(PodAccount {
            namespace: self.pod.namespace.clone(),
            name: self.pod.service_account.clone(),
            annotations: account.metadata.annotations.unwrap_or_default(),
        })
    }

    async fn token(&self, audience: &str) -> Result<SecretString, SourceError> {
        let token = tokens::request(&self.node, &self.pod, Some(audience), TOKEN_LIFETIME).await;
        token
            .map(|token| token.token)
            .map_err(|error| SourceError(format!("{error:#}")))
    }
}

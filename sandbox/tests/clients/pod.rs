//! A pod of the KSA `research/mf-alice`, linked to its account or not: the metadata server that a client finds there.

use std::collections::BTreeMap;
use std::sync::Arc;

use namesake_gcp_emulator::metadata::{Pod, PodAccount, SourceError, TokenSource};
use namesake_sandbox::{ISSUER, WORKLOAD_POOL, google::metadata::MetadataServer};
use secrecy::SecretString;

use crate::google::{ACCOUNT, Google, service_account_token};

struct Cluster;

impl TokenSource for Cluster {
    async fn account(&self) -> Result<PodAccount, SourceError> {
        let link = ("iam.gke.io/gcp-service-account", ACCOUNT);
        Ok(PodAccount {
            namespace: "research".to_owned(),
            name: "mf-alice".to_owned(),
            annotations: BTreeMap::from(
                [link].map(|(key, value)| (key.to_owned(), value.to_owned())),
            ),
        })
    }

    async fn token(&self, _audience: &str) -> Result<SecretString, SourceError> {
        Ok(service_account_token().into())
    }
}

/// The metadata server of that pod.
pub(crate) async fn metadata_server(google: &Google) -> MetadataServer {
    let pod = Pod::new(
        google.url(),
        WORKLOAD_POOL,
        314_159_265_358,
        ISSUER,
        Cluster,
    );
    MetadataServer::start(Arc::new(pod), "task-1")
        .await
        .unwrap()
}

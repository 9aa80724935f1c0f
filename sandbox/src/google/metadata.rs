//! A metadata server on its own port, and the environment variables by which Google's libraries find it.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use namesake_gcp_emulator::metadata::{self, Identity, InstanceInfo};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::google::{PROJECT, PROJECT_NUMBER};

/// A running metadata server. It stops when this is dropped.
#[derive(Debug)]
pub struct MetadataServer {
    address: SocketAddr,
    _stop: DropGuard,
}

impl MetadataServer {
    /// Starts a server for an identity, in the current tokio runtime.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(identity: Arc<dyn Identity>, hostname: &str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("no port is free for a metadata server")?;
        let address = listener
            .local_addr()
            .context("no port is free for a metadata server")?;
        let place = InstanceInfo {
            project_id: PROJECT.to_owned(),
            project_number: PROJECT_NUMBER,
            cluster_name: "ml".to_owned(),
            cluster_location: "us-central1".to_owned(),
            zone: "us-central1-a".to_owned(),
            hostname: hostname.to_owned(),
        };
        let stop = CancellationToken::new();
        tokio::spawn(metadata::serve(listener, place, identity, stop.clone()));
        Ok(Self {
            address,
            _stop: stop.drop_guard(),
        })
    }

    /// The environment variables that point Google's libraries and gcloud here instead of 169.254.169.254.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        ["GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT"]
            .map(|name| (name.to_owned(), self.address.to_string()))
            .into()
    }
}

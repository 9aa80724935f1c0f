//! A metadata server at an address of its own, and the environment by which Google's libraries find it.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use namesake_gcp_emulator::metadata::{self, Identity, InstanceInfo};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::google::{PROJECT, PROJECT_NUMBER};

/// Serves as long as it is held.
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
            .context("no port for a metadata server")?;
        let address = listener
            .local_addr()
            .context("no port for a metadata server")?;
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

    /// On GKE the server is at 169.254.169.254; Google's libraries look here instead, and gcloud at the root.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        ["GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT"]
            .map(|name| (name.to_owned(), self.address.to_string()))
            .into()
    }
}

//! Requests byte by byte, for what no HTTP client would send.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use namesake_sandbox::gateway::API_HOST;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::Endpoints;

/// How long a connection may stay open without an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends bytes over TLS, and returns all that comes back until the gateway closes the connection, or is silent for a while.
///
/// # Errors
/// There is no connection.
pub async fn send(endpoints: &Endpoints, bytes: &[u8]) -> Result<String> {
    let mut stream = connect(endpoints).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    // An error is an end too: the gateway closes connections without ceremony after a bad request.
    while let Ok(Ok(read @ 1..)) = timeout(PATIENCE, stream.read(&mut part)).await {
        answer.extend_from_slice(&part[..read]);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The status codes of all answers in what came back.
#[must_use]
pub fn statuses(answers: &str) -> Vec<&str> {
    let lines = answers.split("HTTP/1.1 ").skip(1);
    lines.filter_map(|line| line.get(..3)).collect()
}

/// The certificate that the gateway serves.
///
/// # Errors
/// There is no connection.
pub async fn certificate(endpoints: &Endpoints) -> Result<Vec<u8>> {
    let stream = connect(endpoints).await?;
    let served = stream.get_ref().1.peer_certificates();
    let first = served.and_then(<[_]>::first).context("no certificate")?;
    Ok(first.to_vec())
}

async fn connect(endpoints: &Endpoints) -> Result<TlsStream<TcpStream>> {
    let authority = CertificateDer::from_pem_file(endpoints.gateway.authority())?;
    let mut roots = RootCertStore::empty();
    roots.add(authority)?;
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect((API_HOST, endpoints.gateway.envoy.port())).await?;
    connector
        .connect(ServerName::try_from(API_HOST)?, stream)
        .await
        .context("no TLS")
}

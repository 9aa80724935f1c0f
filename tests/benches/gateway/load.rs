//! The load generator: connections that are kept alive, each with one request under way.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use namesake_sandbox::gateway::API_HOST;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsConnector;

/// A server under load.
#[derive(Clone)]
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How to trust it; `None` for plain HTTP.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// Bearer token of every request.
    pub(crate) token: Arc<str>,
}

/// What is sent again and again.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Its method.
    pub(crate) method: Method,
    /// Its path.
    pub(crate) path: Arc<str>,
    /// Its body.
    pub(crate) body: &'static str,
}

/// Trusts the authority in a PEM file.
pub(crate) fn tls(authority: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority)?)?;
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Sends `requests` in all over these connections, as fast as answers come. Returns the time of each.
///
/// # Errors
/// On the first answer that is not a success, or when a connection breaks.
pub(crate) async fn at_full_speed(
    target: &Target,
    call: &Call,
    connections: usize,
    requests: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut workers = Vec::with_capacity(connections);
    for _ in 0..connections {
        let sender = connect(target).await?;
        let (target, call) = (target.clone(), call.clone());
        workers.push(tokio::spawn(async move {
            let mut sender = sender;
            let mut times = Vec::new();
            for _ in 0..requests / connections {
                let started = Instant::now();
                send(&mut sender, &target, &call).await?;
                times.push(started.elapsed());
            }
            anyhow::Ok(times)
        }));
    }
    let mut times = Vec::with_capacity(requests);
    for worker in workers {
        times.extend(worker.await??);
    }
    Ok(times)
}

/// Sends `rate` requests per second for a while. A time begins when its request was due, so that waiting for a slow answer counts.
/// Returns the times, and how many requests failed.
///
/// # Errors
/// When a connection cannot be made.
pub(crate) async fn at_rate(
    target: &Target,
    call: &Call,
    connections: usize,
    rate: u32,
    seconds: u32,
) -> anyhow::Result<(Vec<Duration>, usize)> {
    let begin = Instant::now() + Duration::from_millis(100);
    let total = rate * seconds;
    let step = u32::try_from(connections)?;
    let mut workers = Vec::with_capacity(connections);
    for first in 0..step {
        let sender = connect(target).await?;
        let (target, call) = (target.clone(), call.clone());
        workers.push(tokio::spawn(async move {
            let mut sender = sender;
            let (mut times, mut failed) = (Vec::new(), 0);
            let mut number = first;
            while number < total {
                let due = begin + Duration::from_secs(1) * number / rate;
                sleep_until(due).await;
                match send(&mut sender, &target, &call).await {
                    Ok(()) => times.push(due.elapsed()),
                    Err(_) => {
                        failed += 1;
                        sender = connect(&target).await?;
                    }
                }
                number += step;
            }
            anyhow::Ok((times, failed))
        }));
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    for worker in workers {
        let (its, failures) = worker.await??;
        times.extend(its);
        failed += failures;
    }
    Ok((times, failed))
}

async fn connect(target: &Target) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = tokio::net::TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = &target.tls else {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        return Ok(sender);
    };
    let name = ServerName::try_from(API_HOST).context("name")?;
    let stream = TlsConnector::from(tls.clone())
        .connect(name, stream)
        .await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    target: &Target,
    call: &Call,
) -> anyhow::Result<()> {
    let request = http::Request::builder()
        .method(&call.method)
        .uri(&*call.path)
        .header("host", API_HOST)
        .header("authorization", format!("Bearer {}", target.token))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(call.body.as_bytes())))?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let answer = response.into_body().collect().await?.to_bytes();
    ensure!(
        status.is_success(),
        "{} {} is answered {status}: {}",
        call.method,
        call.path,
        String::from_utf8_lossy(&answer)
    );
    Ok(())
}

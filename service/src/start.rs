//! What a program does before it serves, and how it serves its metrics.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// How long a connection may stay without any request: clients that hold connections must not exhaust a server.
pub const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the log of the process, on standard output.
///
/// # Errors
/// When the filter cannot be parsed, or the log was started before.
pub fn start_log(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| format!("log filter {filter:?}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
        LogFormat::Text => builder.try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("start the log: {error}"))
}

/// Makes ring the crypto provider of rustls for the whole process.
///
/// # Errors
/// When a provider was installed before.
pub fn install_crypto_provider() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a crypto provider was installed before"))
}

/// Binds the address that this flag gives.
///
/// # Errors
/// When the address cannot be bound; the message names the flag.
pub fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .with_context(|| format!("listen on {address}: choose another address with {flag}"))
}

/// A client for the API server, configured by the cluster or by KUBECONFIG.
///
/// # Errors
/// When neither configures one.
pub async fn connect_to_cluster() -> anyhow::Result<kube::Client> {
    kube::Client::try_default()
        .await
        .context("no API server: run in a cluster, or set KUBECONFIG")
}

/// A token that the first SIGTERM or SIGINT cancels.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn shutdown_on_signal() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancel.cancel();
    });
    Ok(token)
}

/// Serves the metrics port, over HTTP, while it is polled.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve_metrics(
    listener: TcpListener,
    routes: Router,
) -> io::Result<impl Future<Output = io::Result<()>>> {
    listener.set_nonblocking(true)?;
    let server = axum_server::from_tcp(listener)?
        .http1_only()
        .first_request_timeout(FIRST_REQUEST_TIMEOUT);
    Ok(server.serve(routes.into_make_service()))
}

//! Starts the parts together: watches, socket, metrics.

use std::fs::{Permissions, remove_file, set_permissions, symlink_metadata};
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use kube::Client;
use namesake_service::serve_metrics;
use reqwest::Url;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::args::Serve;
use super::{app, metrics_app};
use crate::config::{Config, Serves};
use crate::state::{Cluster, Owners, State, system_clock, watch};

/// Owner and group of the socket may connect: Envoy runs with the same group.
const SOCKET_MODE: u32 = 0o660;

/// Answers Envoy on `listener`, and serves metrics on `metrics`, until `shutdown`, and then until the requests in progress are answered.
///
/// # Errors
/// When the servers cannot be set up; the message says what to do. Later failures (API server or metadata service unavailable, rules not
/// valid) do not stop it.
pub async fn run(
    args: &Serve,
    config: Config,
    client: Client,
    listener: UnixListener,
    metrics: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let namespace = args.server.namespace.as_str();
    let service = metadata_service(args.metadata_url.as_ref(), &config)?;
    let state = State::new(config, Owners::new(&service)?, system_clock())
        .with_cluster(Cluster::new(client.clone(), namespace));
    let state = Arc::new(state);
    let address = metrics.local_addr()?;
    let metrics = serve_metrics(metrics, metrics_app(state.clone()))?;
    tracing::info!(socket = %args.socket.display(), metrics = %address, namespace, "serving");
    let stop = stop(shutdown, state.clone(), args.server.drain);
    let server = axum::serve(listener, app(state.clone())).with_graceful_shutdown(stop);
    let watches = watch::run(client, namespace, &state);
    tokio::select! {
        served = server => served.context("serve on the socket"),
        () = watches => bail!("the watches ended"),
        _ = metrics => bail!("the metrics server ended"),
    }
}

// First stops being ready, so that no new requests come; then accepts no new connections.
async fn stop(shutdown: CancellationToken, state: Arc<State>, drain: Duration) {
    shutdown.cancelled().await;
    tracing::info!("shutting down");
    state.synced.set_shutting_down();
    tokio::time::sleep(drain).await;
}

/// Listens on a Unix socket. One that a process left behind is removed; one that a process serves is not.
///
/// # Errors
/// When something else has this path, or it cannot be listened on; the message names the flag.
pub fn bind_socket(path: &Path) -> anyhow::Result<UnixListener> {
    let at = || {
        let path = path.display();
        format!("listen on {path}: choose another path with --socket")
    };
    let is_socket = symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket {
        if UnixStream::connect(path).is_ok() {
            return Err(anyhow!("another process serves it")).with_context(at);
        }
        remove_file(path).with_context(at)?;
    }
    let listener = UnixListener::bind(path).with_context(at)?;
    set_permissions(path, Permissions::from_mode(SOCKET_MODE)).with_context(at)?;
    Ok(listener)
}

/// The metadata service: of the flag, or the one backend of all hosts for programs.
fn metadata_service(flag: Option<&Url>, config: &Config) -> anyhow::Result<Url> {
    if let Some(url) = flag {
        return Ok(url.clone());
    }
    let hosts = config
        .hosts
        .iter()
        .filter(|host| host.serves == Serves::Api);
    let mut backends: Vec<&str> = hosts.map(|host| host.backend.as_str()).collect();
    backends.dedup();
    match backends.as_slice() {
        [backend] => backend
            .parse()
            .with_context(|| format!("backend {backend}")),
        [] => bail!(
            "no host of gateway.yaml serves api, so there is no metadata service: add one, or name it with --metadata-url"
        ),
        _ => bail!(
            "the hosts that serve api have several backends: use one gateway for each metadata service"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let first = bind_socket(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, SOCKET_MODE);
        let error = format!("{:#}", bind_socket(&path).unwrap_err());
        assert!(error.contains("another process"), "{error}");
        drop(first);
        bind_socket(&path).unwrap();
        let other = folder.path().join("file");
        std::fs::write(&other, "text").unwrap();
        assert!(bind_socket(&other).is_err() && other.is_file());
    }
}

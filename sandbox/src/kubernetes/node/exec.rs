//! What the API server forwards to the node. `pods/log`: the log of a container so far. `pods/exec`, as far as Argo needs it:
//! the node runs the command in the container's namespaces and then refuses the stream. The client sees that the command was
//! run, but not its output.

use std::{
    collections::HashMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use axum::{
    Router,
    extract::{Path as UrlPath, RawQuery, State},
    http::StatusCode,
    routing::{any, get},
};
use axum_server::tls_rustls::RustlsConfig;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::isolation::Isolation;
use crate::WorkFolder;

/// Commands that stop a container return at once.
const LIMIT: Duration = Duration::from_secs(10);

/// Namespace, pod and container.
pub(super) type ContainerKey = (String, String, String);

/// A running container with its own namespaces.
#[derive(Debug, Clone)]
struct Running {
    isolation: Isolation,
    /// The process that created the namespaces.
    process: i32,
    env: Vec<(String, String)>,
}

/// The registry of running containers in which commands can be executed.
#[derive(Debug, Clone, Default)]
pub(super) struct Containers(Arc<Mutex<HashMap<ContainerKey, Running>>>);

impl Containers {
    /// Registers a container as running until the return value is dropped.
    pub(super) fn register(
        &self,
        key: ContainerKey,
        isolation: Isolation,
        process: i32,
        env: &[(String, String)],
    ) -> Registered {
        let running = Running {
            isolation,
            process,
            env: env.to_vec(),
        };
        self.lock().insert(key.clone(), running);
        Registered {
            containers: self.clone(),
            key,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ContainerKey, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, key: &ContainerKey, command: &[String]) -> Result<Command> {
        let running = self.lock().get(key).cloned();
        // A container without its own namespaces shares process 1 with this machine.
        let running = running.with_context(|| {
            let (namespace, pod, container) = key;
            format!("container {container} of pod {namespace}/{pod} does not run in its own namespaces on this node")
        })?;
        let mut enter = running.isolation.enter(running.process, command)?;
        enter.env_clear().envs(running.env);
        Ok(enter)
    }
}

/// A registered container. It is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Registered {
    containers: Containers,
    key: ContainerKey,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.containers.lock().remove(&self.key);
    }
}

/// Serves on loopback until the handle shuts it down; only the API server is accepted, by a certificate of the cluster's CA.
pub(super) fn serve(
    folder: &WorkFolder,
    logs: PathBuf,
    containers: Containers,
) -> Result<(SocketAddr, axum_server::Handle<SocketAddr>)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("no port is free for the node's exec endpoint")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let tls = RustlsConfig::from_config(Arc::new(tls(&folder.keys())?));
    let logs = Router::new()
        .route(
            "/containerLogs/{namespace}/{pod}/{container}",
            get(read_log),
        )
        .with_state(logs);
    let router = Router::new()
        .route("/exec/{namespace}/{pod}/{container}", any(run))
        .with_state(containers)
        .merge(logs);
    let handle = axum_server::Handle::new();
    let server = axum_server::from_tcp_rustls(listener, tls)?.handle(handle.clone());
    tokio::spawn(async move {
        if let Err(error) = server.serve(router.into_make_service()).await {
            tracing::warn!(%error, "the node's exec endpoint failed");
        }
    });
    Ok((address, handle))
}

fn tls(keys: &Path) -> Result<ServerConfig> {
    let read = |name: &str| {
        let path = keys.join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let certificate = |name: &str| -> Result<CertificateDer<'static>> {
        CertificateDer::from_pem_slice(&read(name)?)
            .map_err(|error| anyhow!("{name} is not a certificate: {error}"))
    };
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.crt")?)?;
    let api_server = WebPkiClientVerifier::builder(Arc::new(roots)).build()?;
    let key = PrivateKeyDer::from_pem_slice(&read("apiserver.key")?)
        .map_err(|error| anyhow!("apiserver.key is not a key: {error}"))?;
    Ok(ServerConfig::builder()
        .with_client_cert_verifier(api_server)
        .with_single_cert(vec![certificate("apiserver.crt")?], key)?)
}

async fn run(
    State(containers): State<Containers>,
    UrlPath(key): UrlPath<ContainerKey>,
    RawQuery(query): RawQuery,
) -> (StatusCode, String) {
    let command = command_of(query.as_deref().unwrap_or_default());
    let (code, output) = match containers.command(&key, &command) {
        Ok(enter) => match run_command(enter).await {
            Ok(output) => (StatusCode::NOT_IMPLEMENTED, output),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")),
        },
        Err(error) => (StatusCode::NOT_FOUND, format!("{error:#}")),
    };
    tracing::info!(pod = key.1, container = key.2, ?command, output, "exec");
    (code, output)
}

/// The file with the log of a container.
pub(super) fn log_file(logs: &Path, (namespace, pod, container): &ContainerKey) -> PathBuf {
    logs.join(format!("{namespace}_{pod}_{container}.log"))
}

async fn read_log(
    State(logs): State<PathBuf>,
    UrlPath(key): UrlPath<ContainerKey>,
) -> Result<Vec<u8>, (StatusCode, String)> {
    let file = log_file(&logs, &key);
    let log = tokio::fs::read(&file).await;
    log.map_err(|error| {
        (
            StatusCode::NOT_FOUND,
            format!("{}: {error}", file.display()),
        )
    })
}

async fn run_command(enter: Command) -> Result<String> {
    let mut enter = tokio::process::Command::from(enter);
    let output = enter.kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, output)
        .await
        .context("the command did not finish in time")?
        .context("cannot start nsenter")?;
    Ok(format!(
        "the command was run in the container ({}); this node does not stream its output\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// The words of the command in a query, in order.
fn command_of(query: &str) -> Vec<String> {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "command")
        .map(|(_, word)| word.into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_read_word_by_word() {
        let query = "command=%2Fvar%2Frun%2Fargo%2Fargoexec&command=kill&command=15&command=1&container=main&stderr=true";
        let expected = ["/var/run/argo/argoexec", "kill", "15", "1"];
        assert_eq!(command_of(query), expected);
    }

    #[test]
    fn a_command_for_a_container_without_namespaces_is_never_run() {
        let key = ("research".into(), "p".into(), "main".into());
        let error = Containers::default().command(&key, &["kill".into()]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("main of pod research/p"), "{error}");
    }
}

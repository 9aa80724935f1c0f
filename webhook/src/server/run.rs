//! Starts the parts together: certificate, keys, watches, broker client, server.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, from_tcp};
use jiff::Timestamp;
use kube::Client;
use namesake_api::names;
use namesake_certs::{
    Keeper, Resolver, StampKeys, apply_ca_bundle, client_roots, ensure_stamp_keys, server_config,
    server_config_with_client_auth,
};
use namesake_core::KeyRing;
use namesake_service::{
    FIRST_REQUEST_TIMEOUT, PublishedAnnotation, PublishedStatus, StatusConfigMap, serve_metrics,
};
use rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use crate::server;
use crate::server::AllowedClients;
use crate::server::args::Args;
use crate::server::report::Reporter;
use crate::state::broker::{Broker, Settings};
use crate::state::watch;
use crate::state::{State, system_clock};

/// How long requests in progress may take after the listener is closed.
const GRACE: Duration = Duration::from_secs(10);

/// Serves admission on `listener` and metrics on `metrics` until `shutdown`, and then until the requests in progress are answered.
///
/// # Errors
/// When the certificate, the stamp keys or the server cannot be set up; the message says what to do. Later failures (API server
/// unavailable, rules not valid) do not stop it.
pub async fn run(
    args: &Args,
    client: Client,
    listener: TcpListener,
    metrics: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let namespace = args.server.namespace.as_str();
    let names = args
        .certificate
        .certificate_names(names::WEBHOOK_SERVICE_ACCOUNT, namespace);
    let keeper = Keeper::start(client.clone(), namespace, names, Timestamp::now()).await?;
    let roots = client_roots(keeper.bundle_pem())?;
    let broker = Arc::new(Broker::new(broker_settings(args), roots)?);
    let keys = ensure_stamp_keys(&client, namespace).await?;
    let state = State::new(system_clock())
        .with_cluster(client.clone())
        .with_broker(broker.clone());
    state.set_keys(ring(keys)?);
    let state = Arc::new(state);

    let (tls, clients) = tls(args, keeper.resolver())?;
    let tls = RustlsConfig::from_config(tls);
    let (address, metrics_address) = (listener.local_addr()?, metrics.local_addr()?);
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    // An answer is one small write: without this, the kernel holds it back while it waits for the acknowledgement of the last one.
    let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
    let server = from_tcp(listener)?
        .acceptor(acceptor)
        .handle(handle.clone())
        .http1_only()
        .first_request_timeout(FIRST_REQUEST_TIMEOUT)
        .serve(server::app_for(state.clone(), clients).into_make_service());
    let metrics = serve_metrics(metrics, server::metrics_app(state.clone()))?;
    tracing::info!(%address, metrics = %metrics_address, namespace, "serving");

    let trusted = args.trusted_webhooks();
    let watches = watch::run(client.clone(), namespace, &trusted, state.clone());
    let (status, keeper) = status_and_keeper(keeper, &client, args, &state);
    let (map, key) = (
        StatusConfigMap::WEBHOOK,
        names::replica_annotation(&args.replica),
    );
    let revision = PublishedAnnotation::new(client.clone(), namespace, map, key);
    let say_status = status.run(|| state.synced.missing());
    let upkeep = upkeep(client, namespace, keeper, broker, state.clone(), &revision);
    let stop = stop(shutdown, &state, &handle, args.server.drain);
    tokio::pin!(watches, upkeep, say_status, stop, server, metrics);
    loop {
        tokio::select! {
            () = &mut watches => anyhow::bail!("the watches ended"),
            () = &mut upkeep => anyhow::bail!("the upkeep of the certificate ended"),
            () = &mut say_status => {},
            () = &mut stop => {},
            served = &mut server => {
                tokio::join!(revision.withdraw(), status.withdraw());
                return served.context("serve");
            }
            _ = &mut metrics => anyhow::bail!("the metrics server ended"),
        }
    }
}

fn broker_settings(args: &Args) -> Settings {
    Settings {
        url: args.broker_url.clone(),
        token_file: args.broker_token_file.clone(),
        deadline: args.broker_deadline,
    }
}

// The status of this replica, and the keeper that tells it and the metrics when the certificate expires.
fn status_and_keeper(
    keeper: Keeper,
    client: &Client,
    args: &Args,
    state: &Arc<State>,
) -> (Arc<PublishedStatus>, Keeper) {
    let (home, replica) = (&args.server.namespace, &args.replica);
    let status = PublishedStatus::new(client.clone(), home, StatusConfigMap::WEBHOOK, replica);
    let status = Arc::new(status);
    let keeper = keeper.every(args.upkeep).watched({
        let (state, status) = (Arc::clone(state), Arc::clone(&status));
        move |expiry| {
            state.metrics.set_expiry(expiry);
            status.set_certificate_expiry(expiry.serving);
        }
    });
    (status, keeper)
}

// The TLS configuration, and which clients may send reviews: those with a certificate of the authority in the file, if one is
// given.
fn tls(
    args: &Args,
    resolver: Arc<Resolver>,
) -> anyhow::Result<(Arc<ServerConfig>, AllowedClients)> {
    let Some(path) = &args.client_ca_file else {
        return Ok((server_config(resolver)?, AllowedClients::Any));
    };
    let authorities = std::fs::read_to_string(path)
        .with_context(|| format!("--client-ca-file {}", path.display()))?;
    let tls = server_config_with_client_auth(resolver, &authorities)?;
    Ok((tls, AllowedClients::WithCertificate))
}

// Each time: renews the certificate, sets the caBundle, trusts the broker's authority, loads new stamp keys, and reports parents
// without a proven requester and the rules in use.
async fn upkeep(
    client: Client,
    namespace: &str,
    keeper: Keeper,
    broker: Arc<Broker>,
    state: Arc<State>,
    revision: &PublishedAnnotation,
) {
    let mut trusted = keeper.bundle_pem().to_owned();
    let mut reporter = Reporter::new(&client, namespace);
    let configuration = names::webhook_configuration(namespace);
    keeper
        .run(async |bundle: &str| {
            if trusted != bundle {
                match client_roots(bundle).map(|roots| broker.trust(roots)) {
                    Ok(Ok(())) => bundle.clone_into(&mut trusted),
                    failed => tracing::warn!(?failed, "failed to trust the broker's new authority"),
                }
            }
            apply_ca_bundle(&client, &configuration, bundle).await?;
            state.synced.ca_bundle.set();
            match ring(ensure_stamp_keys(&client, namespace).await?) {
                Ok(keys) => state.set_keys(keys),
                Err(error) => tracing::warn!(%error, "the stamp keys are not valid; the previous ones stay in use"),
            }
            reporter.report(&state).await;
            if let Some(rules) = state.rules.get() {
                revision.publish(rules.revision()).await;
            }
            Ok(())
        })
        .await;
}

fn ring(keys: StampKeys) -> anyhow::Result<KeyRing> {
    KeyRing::new(&keys.current, keys.keys).context("stamp keys")
}

// First stops being ready, so that no new requests come; then accepts no new connections; then shuts down. Never returns.
async fn stop(
    shutdown: CancellationToken,
    state: &State,
    handle: &Handle<std::net::SocketAddr>,
    drain: Duration,
) {
    shutdown.cancelled().await;
    tracing::info!("shutting down");
    state.synced.shutting_down.set();
    tokio::time::sleep(drain).await;
    handle.graceful_shutdown(Some(GRACE));
    std::future::pending::<()>().await;
}

//! Puts the parts together: certificate, keys, watches, broker, server.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, from_tcp, from_tcp_rustls};
use jiff::Timestamp;
use kube::Client;
use namesake_api::names::{self, WEBHOOK_CONFIGURATION};
use namesake_certs::{
    Keeper, Resolver, StampKeys, apply_ca_bundle, client_roots, ensure_stamp_keys, server_config,
    server_config_with_client_auth,
};
use namesake_core::KeyRing;
use rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use crate::server;
use crate::server::Askers;
use crate::server::args::Args;
use crate::state::broker::{Broker, Settings};
use crate::state::watch;
use crate::state::{State, system_clock};

/// How long requests under way may take to end after the listener is closed.
const GRACE: Duration = Duration::from_secs(10);

/// How many parents without a proven person a line of the log names; `/v1/unproven` has them all.
const NAMED: usize = 20;

/// How long a connection may stay without any request: whoever holds connections must not fill us up.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// Serves admission on `listener` and metrics on `metrics` until `shutdown`, and then until what is under way has been answered.
///
/// # Errors
/// When the certificate, the stamp keys or the server cannot be set up; what to do is in the message. Later failures
/// (API server away, rules broken) do not end it.
pub async fn run(
    args: &Args,
    client: Client,
    listener: TcpListener,
    metrics: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let names = args
        .server
        .certificate_names(names::WEBHOOK_SERVICE_ACCOUNT);
    let keeper = Keeper::start(
        client.clone(),
        &args.server.namespace,
        names,
        Timestamp::now(),
    )
    .await?;
    let settings = Settings {
        url: args.broker_url.clone(),
        token_file: args.broker_token_file.clone(),
        deadline: args.broker_deadline,
    };
    let broker = Arc::new(Broker::new(settings, client_roots(keeper.bundle_pem())?)?);
    let keys = ensure_stamp_keys(&client, &args.server.namespace).await?;
    let state = State::new(system_clock())
        .with_cluster(client.clone())
        .with_broker(broker.clone());
    state.set_keys(ring(keys)?);
    let state = Arc::new(state);

    let (tls, askers) = tls(args, keeper.resolver())?;
    let tls = RustlsConfig::from_config(tls);
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    let server = from_tcp_rustls(listener, tls)?
        .handle(handle.clone())
        .http1_only()
        .first_request_timeout(FIRST_REQUEST)
        .serve(server::app_for(state.clone(), askers).into_make_service());
    let metrics_address = metrics.local_addr()?;
    metrics.set_nonblocking(true)?;
    let metrics = from_tcp(metrics)?
        .http1_only()
        .first_request_timeout(FIRST_REQUEST)
        .serve(server::metrics_app(state.clone()).into_make_service());
    tracing::info!(%address, metrics = %metrics_address, namespace = args.server.namespace, "serving");

    let watches = watch::run(client.clone(), &args.server.namespace, state.clone());
    let keeper = keeper.every(args.upkeep);
    let upkeep = upkeep(
        client,
        &args.server.namespace,
        keeper,
        broker,
        state.clone(),
    );
    let stop = stop(shutdown, &state, &handle, args.server.drain);
    tokio::pin!(watches, upkeep, stop, server, metrics);
    loop {
        tokio::select! {
            () = &mut watches => anyhow::bail!("the watches ended"),
            () = &mut upkeep => anyhow::bail!("the upkeep of the certificate ended"),
            () = &mut stop => {},
            served = &mut server => return served.context("serve"),
            _ = &mut metrics => anyhow::bail!("the metrics server ended"),
        }
    }
}

// Who is served how: reviews are for whoever shows a certificate of the authority in the file, if one is given.
fn tls(args: &Args, resolver: Arc<Resolver>) -> anyhow::Result<(Arc<ServerConfig>, Askers)> {
    let Some(path) = &args.client_ca_file else {
        return Ok((server_config(resolver)?, Askers::Anyone));
    };
    let authorities = std::fs::read_to_string(path)
        .with_context(|| format!("--client-ca-file {}", path.display()))?;
    let tls = server_config_with_client_auth(resolver, &authorities)?;
    Ok((tls, Askers::Certified))
}

// At each look: a fresh certificate, the caBundle as it should be, the broker's authority trusted, new stamp keys known.
async fn upkeep(
    client: Client,
    namespace: &str,
    keeper: Keeper,
    broker: Arc<Broker>,
    state: Arc<State>,
) {
    let mut trusted = keeper.bundle_pem().to_owned();
    let mut unproven = 0;
    keeper
        .run(async |bundle: &str| {
            if trusted != bundle {
                match client_roots(bundle).map(|roots| broker.trust(roots)) {
                    Ok(Ok(())) => bundle.clone_into(&mut trusted),
                    failed => tracing::warn!(?failed, "the broker's authority is not trusted yet"),
                }
            }
            apply_ca_bundle(&client, WEBHOOK_CONFIGURATION, bundle).await?;
            state.synced.set_ca_bundle();
            match ring(ensure_stamp_keys(&client, namespace).await?) {
                Ok(keys) => state.set_keys(keys),
                Err(error) => tracing::warn!(%error, "stamp keys stay as they were"),
            }
            report(&state, &mut unproven);
            Ok(())
        })
        .await;
}

// Says so when there are more or fewer parents without a proven person than at the last look.
fn report(state: &State, before: &mut usize) {
    let unproven = state.survey().unproven;
    if unproven.len() != *before {
        *before = unproven.len();
        let some: Vec<_> = unproven.iter().take(NAMED).collect();
        tracing::info!(
            count = unproven.len(),
            some = ?some.iter().map(|u| format!("{}: {}/{}", u.namespace, u.kind, u.name)).collect::<Vec<_>>(),
            "parents without a proven person: their pods run as nobody until an admin adopts them"
        );
    }
}

fn ring(keys: StampKeys) -> anyhow::Result<KeyRing> {
    KeyRing::new(&keys.current, keys.keys).context("stamp keys")
}

// Not ready first, so that no new requests come; then no new connections; then the end. Waits for ever afterwards.
async fn stop(
    shutdown: CancellationToken,
    state: &State,
    handle: &Handle<std::net::SocketAddr>,
    drain: Duration,
) {
    shutdown.cancelled().await;
    tracing::info!("stopping");
    state.synced.set_leaving();
    tokio::time::sleep(drain).await;
    handle.graceful_shutdown(Some(GRACE));
    std::future::pending::<()>().await;
}

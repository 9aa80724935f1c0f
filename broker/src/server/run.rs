//! Starts everything: certificate, rules, watches, API, leader election, controllers.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, from_tcp};
use futures::channel::mpsc;
use jiff::Timestamp;
use kube::Client;
use namesake_api::names;
use namesake_certs::{Keeper, server_config};
use namesake_gcp::Gcp;
use namesake_service::{PublishedAnnotation, PublishedStatus, StatusConfigMap, serve_metrics};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::api::{self, Broker};
use crate::cluster::leader::{Election, limited};
use crate::cluster::namespaces;
use crate::controllers::context::Context;
use crate::controllers::garbage;
use crate::controllers::gates::{self, Gates};
use crate::controllers::quota::count::QuotaCounter;
use crate::controllers::reconcile;
use crate::identity::store::{self, ChangeNotifier};
use crate::server::config::Config;
use crate::server::ready::{Ready, ReadyPart};
use crate::server::rules_watch::RulesWatch;
use crate::server::shared::Shared;

/// How long requests may still take after the listener is closed.
const GRACE: Duration = Duration::from_secs(10);

/// Serves the API and the metrics on these listeners, and reconciles, until `shutdown`; then finishes what is under way.
///
/// # Errors
/// When the certificate or a server cannot be set up; the message says what to do. Later failures (API server or Google
/// unavailable, rules invalid) do not end it.
pub async fn run(
    config: Config,
    client: Client,
    gcp: Gcp,
    listener: TcpListener,
    metrics_listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (keeper, namespace) = (keeper(&client, &config).await?, config.namespace.clone());
    let tls = RustlsConfig::from_config(server_config(keeper.resolver())?);
    let ready = Arc::new(Ready::default());
    ready.set(ReadyPart::Certificate);
    let (namespaces, watch_namespaces) = namespaces::watch(client.clone(), Arc::clone(&ready));
    let (identities, changes, watch_identities) = store::watch(client.clone());
    // A task of its own, because the list may be long. It ends when this function does.
    let mut watching = JoinSet::new();
    watching.spawn(watch_identities);
    let shared = Shared::new(config, namespaces, identities, ready);
    let watch_rules = RulesWatch::new(client.clone(), shared.clone()).run();
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    let broker = Arc::new(Broker::new(client.clone(), shared.clone()));
    let app = api::app(Arc::clone(&broker)).into_make_service();
    // Without this, the first answer on a connection waits 40 ms for the acknowledgement of the session tickets before it.
    let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
    let server = from_tcp(listener)?
        .acceptor(acceptor)
        .handle(handle.clone())
        .serve(app);
    let metrics_address = metrics_listener.local_addr()?;
    let metrics_server = serve_metrics(
        metrics_listener,
        api::metrics_app(Arc::clone(&shared.metrics)),
    )?;
    info!(%address, metrics = %metrics_address, %namespace, "serving");

    let (status, keeper) = status_and_keeper(keeper, &client, &shared);
    let ready = Arc::clone(&shared.ready);
    let say_status = status.run(|| ready.why_not().map(str::to_owned).into_iter().collect());
    let revision = published_revision(&client, &shared.config);
    let say_revision = revision.follow(|| Some(shared.rules.current()?.revision().to_owned()));
    let renew = keeper.run(async |_: &str| Ok(()));
    let close = async {
        shutdown.cancelled().await;
        info!("shutting down");
        shared.ready.set_shutting_down();
        tokio::time::sleep(shared.config.drain).await;
        handle.graceful_shutdown(Some(GRACE));
    };
    // However the server ends, it ends the rest.
    let serve = async {
        let served = server.await;
        broker.finish().await;
        tokio::join!(revision.withdraw(), status.withdraw());
        shutdown.cancel();
        served
    };
    let parts = Parts {
        shared: shared.clone(),
        changes,
        client,
        gcp,
    };
    let elected = Box::pin(elect(&parts, &shutdown));
    tokio::select! {
        _ = async { tokio::join!(watch_namespaces, watching.join_next(), watch_rules, renew, say_status, say_revision) } => anyhow::bail!("the watches ended"),
        _ = metrics_server => anyhow::bail!("the metrics server ended"),
        (served, (), ()) = async { tokio::join!(serve, elected, close) } => served.context("serve"),
    }
}

/// The status of this replica, and the keeper that tells it and the metrics when the certificate expires.
fn status_and_keeper(
    keeper: Keeper,
    client: &Client,
    shared: &Shared,
) -> (Arc<PublishedStatus>, Keeper) {
    let (config, metrics) = (&shared.config, Arc::clone(&shared.metrics));
    let (home, replica) = (&config.namespace, &config.replica);
    let status = PublishedStatus::new(client.clone(), home, StatusConfigMap::BROKER, replica);
    let status = Arc::new(status);
    let keeper = keeper.every(config.timings.upkeep).watched({
        let status = Arc::clone(&status);
        move |expiry| {
            metrics.set_expiry(expiry);
            status.set_certificate_expiry(expiry.serving);
        }
    });
    (status, keeper)
}

/// The revision of the rules that this replica uses.
fn published_revision(client: &Client, config: &Config) -> PublishedAnnotation {
    let key = names::replica_annotation(&config.replica);
    PublishedAnnotation::new(
        client.clone(),
        &config.namespace,
        StatusConfigMap::BROKER,
        key,
    )
}

/// Keeps the certificate of the API valid.
async fn keeper(client: &Client, config: &Config) -> anyhow::Result<Keeper> {
    let (client, names) = (client.clone(), config.tls_names.clone());
    // By the machine's clock, like those who verify it.
    let keeper = Keeper::start(client, &config.namespace, names, Timestamp::now()).await;
    keeper.context("create the certificate")
}

/// What it takes to lead.
struct Parts {
    shared: Shared,
    changes: ChangeNotifier,
    client: Client,
    gcp: Gcp,
}

/// Takes part in the election once the Identities and namespaces are known: until then a leader could do nothing.
async fn elect(parts: &Parts, shutdown: &CancellationToken) {
    let shared = &parts.shared;
    let synced = async {
        shared.identities.wait_until_synced().await && shared.namespaces.wait_until_synced().await
    };
    tokio::select! {
        true = synced => {}
        () = shutdown.cancelled() => return,
    }
    let (client, fence) = (parts.client.clone(), Arc::clone(&shared.fence));
    let election = Election::new(client, &shared.config, fence);
    let leads = async || lead(parts, shutdown.clone()).await;
    election.run(shutdown, leads).await;
}

/// Runs the controllers, which only the leader does. All their writes pass the fence. Ends when `shutdown` is cancelled and the
/// reconciles under way are done.
async fn lead(parts: &Parts, shutdown: CancellationToken) {
    let (reconcile_requests, requested) = mpsc::unbounded();
    let shared = &parts.shared;
    let changes = parts.changes.subscribe();
    // The fence is checked last, right before a write.
    let guarded = shared.fence.guard(parts.client.clone());
    let client = limited(guarded, Arc::clone(&shared.leader_writes));
    let metrics = Arc::clone(&shared.metrics);
    metrics.begin_leading();
    let observer = Arc::clone(&metrics);
    let gcp = parts
        .gcp
        .fenced(shared.fence.for_google())
        .observed(Arc::new(move |request| observer.google_answered(request)));
    let context = Arc::new(Context::new(shared, client.clone(), &gcp));
    let gates = Gates {
        context: Arc::clone(&context),
        reconcile_requests,
        waits: Default::default(),
    };
    let quotas = QuotaCounter {
        context: Arc::clone(&context),
    };
    let cluster_id = Arc::clone(&context.cluster_id);
    cluster_id.discover(&client).await;
    metrics.watch_cluster(Arc::clone(&cluster_id), Arc::clone(&shared.rules));
    metrics.watch_google(gcp);
    let stop = shutdown.clone().cancelled_owned();
    tokio::select! {
        () = reconcile::run(Arc::clone(&context), changes, requested, stop) => {}
        () = garbage::collect::run(context) => {}
        () = gates::run(Arc::new(gates)) => {}
        () = quotas.run() => {}
        () = cluster_id.keep_discovering(&client) => {}
    }
}

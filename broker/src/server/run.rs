//! Puts the parts together: certificate, rules, watches, API, controller, gates.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, from_tcp, from_tcp_rustls};
use futures::channel::mpsc;
use jiff::Timestamp;
use kube::Client;
use namesake_certs::{Keeper, server_config};
use namesake_gcp::Gcp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::api::{self, Broker};
use crate::cluster::events::Events;
use crate::cluster::leader::{self, Election, Fence, Pace};
use crate::cluster::namespaces::{self, Namespaces};
use crate::controllers::garbage;
use crate::controllers::gates::{self, Gates};
use crate::controllers::quota::{self, Counting};
use crate::controllers::reconcile::{self, Context};
use crate::identity::store::{self, Identities, Touches};
use crate::server::config::Config;
use crate::server::metrics::Metrics;
use crate::server::ready::{Part, Ready};
use crate::server::rules::{self, CurrentRules};

/// How long requests under way may take to end after the listener is closed.
const GRACE: Duration = Duration::from_secs(10);

/// How long a connection to the metrics may stay without any request.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// Serves its API on `listener` and metrics on `metrics`, and reconciles until `shutdown`, and then until what is under way is done.
///
/// # Errors
/// When the certificate or the server cannot be set up; what to do is in the message. Later failures (API server away,
/// Google away, rules broken) do not end it.
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
    ready.set(Part::Certificate);
    let (namespaces, watch_namespaces) = namespaces::watch(client.clone(), Arc::clone(&ready));
    let (rules, metrics) = (Arc::default(), Arc::<Metrics>::default());
    let (identities, touched, watch_identities) = store::watch(client.clone());
    metrics.watch_identities(identities.clone());
    // A task of its own: a list of thousands is read beside everything else. It ends when this function does.
    let mut watching = JoinSet::new();
    watching.spawn(watch_identities);
    let parts = Parts {
        fence: Arc::default(),
        pace: Arc::default(),
        identities,
        touched,
        client,
        gcp,
        config,
        rules,
        namespaces,
        ready,
        metrics,
    };
    parts.metrics.watch_fence(Arc::clone(&parts.fence));
    let watch_rules = rules::watch(parts.watch());
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    let broker = Arc::new(parts.broker());
    let app = api::app(Arc::clone(&broker)).into_make_service();
    let server = from_tcp_rustls(listener, tls)?
        .handle(handle.clone())
        .serve(app);
    let metrics_address = metrics_listener.local_addr()?;
    let metrics_server = serve_metrics(metrics_listener, &parts.metrics)?;
    info!(%address, metrics = %metrics_address, %namespace, "serving");

    let keep = keeper.every(parts.config.timings.upkeep);
    let keep = keep.run(async |_: &str| Ok(()));
    let close = async {
        shutdown.cancelled().await;
        info!("stopping");
        parts.ready.leave();
        tokio::time::sleep(parts.config.drain).await;
        handle.graceful_shutdown(Some(GRACE));
    };
    // Whatever ends the server ends the rest.
    let serve = async {
        let served = server.await;
        broker.finish().await;
        shutdown.cancel();
        served
    };
    let elected = Box::pin(elect(&parts, &shutdown));
    tokio::select! {
        _ = async { tokio::join!(watch_namespaces, watching.join_next(), watch_rules, keep) } => anyhow::bail!("the watches ended"),
        _ = metrics_server => anyhow::bail!("the metrics server ended"),
        (served, (), ()) = async { tokio::join!(serve, elected, close) } => served.context("serve"),
    }
}

/// Keeps the certificate of the API.
async fn keeper(client: &Client, config: &Config) -> anyhow::Result<Keeper> {
    let (client, names) = (client.clone(), config.tls_names.clone());
    // By the clock of the machine, as whoever verifies it goes by theirs.
    let keeper = Keeper::start(client, &config.namespace, names, Timestamp::now()).await;
    keeper.context("the certificate cannot be made")
}

/// Serves the metrics, as long as it is polled.
fn serve_metrics(
    listener: TcpListener,
    metrics: &Arc<Metrics>,
) -> io::Result<impl Future<Output = io::Result<()>>> {
    listener.set_nonblocking(true)?;
    let app = api::metrics_app(Arc::clone(metrics)).into_make_service();
    let server = from_tcp(listener)?.first_request_timeout(FIRST_REQUEST);
    Ok(server.serve(app))
}

/// What the API and the controller are made of.
struct Parts {
    /// Stops what only the leader may write.
    fence: Arc<Fence>,
    /// How fast the leader writes.
    pace: Arc<Pace>,
    identities: Identities,
    touched: Touches,
    client: Client,
    gcp: Gcp,
    config: Config,
    rules: Arc<CurrentRules>,
    namespaces: Arc<Namespaces>,
    ready: Arc<Ready>,
    metrics: Arc<Metrics>,
}

impl Parts {
    fn watch(&self) -> rules::Watch {
        rules::Watch {
            client: self.client.clone(),
            namespace: self.config.namespace.clone(),
            fence: Arc::clone(&self.fence),
            rules: Arc::clone(&self.rules),
            ready: Arc::clone(&self.ready),
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn broker(&self) -> Broker {
        Broker::new(
            self.client.clone(),
            self.config.clone(),
            Arc::clone(&self.rules),
            Arc::clone(&self.namespaces),
            self.identities.clone(),
            Arc::clone(&self.ready),
            Arc::clone(&self.metrics),
        )
        .with_pace(Arc::clone(&self.pace))
    }
}

/// Leads whenever it may, once there is something to lead: who does not know the Identities yet would only be in the way of
/// the lists.
async fn elect(parts: &Parts, shutdown: &CancellationToken) {
    let listed =
        async { parts.identities.are_listed().await && parts.namespaces.are_listed().await };
    tokio::select! {
        true = listed => {}
        () = shutdown.cancelled() => return,
    }
    let election = Election::new(
        parts.client.clone(),
        &parts.config,
        Arc::clone(&parts.fence),
    );
    let leads = async || lead(parts, shutdown.clone()).await;
    election.run(shutdown, leads).await;
}

/// What only the leader does: reconcile, open gates, count. All its writes pass the fence. Ends when `shutdown` is cancelled
/// and the reconciles under way are done.
async fn lead(parts: &Parts, shutdown: CancellationToken) {
    let (asked, asks) = mpsc::unbounded();
    let identities = parts.identities.clone();
    let touched = parts.touched.listen();
    // The fence is asked last, right before a write.
    let client = leader::paced(
        parts.fence.before(parts.client.clone()),
        Arc::clone(&parts.pace),
    );
    let gcp = parts.gcp.fenced(parts.fence.for_google());
    let context = Context::new(
        client.clone(),
        &gcp,
        parts.config.clone(),
        Arc::clone(&parts.rules),
        Arc::clone(&parts.namespaces),
        Arc::clone(&parts.metrics),
    );
    let gates = Gates {
        client: client.clone(),
        config: parts.config.clone(),
        rules: Arc::clone(&parts.rules),
        namespaces: Arc::clone(&parts.namespaces),
        identities: identities.clone(),
        changed: context.changed.clone(),
        accounts: Arc::clone(&context.accounts),
        asked,
        events: Events::new(client.clone()),
        metrics: Arc::clone(&parts.metrics),
    };
    let counting = Counting {
        client: client.clone(),
        gcp: gcp.clone(),
        config: parts.config.clone(),
        rules: Arc::clone(&parts.rules),
        namespaces: Arc::clone(&parts.namespaces),
        identities: identities.clone(),
        listings: Arc::clone(&context.listings),
        policies: context.policies.clone(),
        quota: Arc::clone(&context.quota),
        metrics: Arc::clone(&parts.metrics),
        events: Events::new(client.clone()),
    };
    context.place.learn(&client).await;
    let place = Arc::clone(&context.place);
    let rules = Arc::clone(&parts.rules);
    parts.metrics.watch_place(Arc::clone(&place), rules);
    let context = Arc::new(context);
    parts.metrics.watch_google(gcp);
    let stop = shutdown.clone().cancelled_owned();
    tokio::select! {
        () = reconcile::run(Arc::clone(&context), identities.clone(), touched, asks, stop) => {}
        () = garbage::run(context, identities) => {}
        () = gates::run(Arc::new(gates)) => {}
        () = quota::run(counting) => {}
        () = place.keep_learning(&client) => {}
    }
}

//! Starts the broker.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use clap::Parser as _;
use namesake_broker::Args;
use namesake_broker::Command;
use namesake_broker::connect;
use namesake_broker::run;
use namesake_broker::server::clean::Clean;
use namesake_broker::server::signals;
use namesake_broker::server::telemetry;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    telemetry::start(&args.log, args.log_format)?;
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a crypto provider was installed already"))?;
    if let Some(Command::Clean(clean)) = &args.command {
        return cleaned(&args, clean).await;
    }
    let listener = listen(args.listen, "--listen")?;
    let metrics = listen(args.metrics_listen, "--metrics-listen")?;
    let client = cluster().await?;
    let gcp = connect(args.endpoints()).await?.at(args.rates());
    let (config, shutdown) = (args.config(), signals::shutdown()?);
    run(config, client, gcp, listener, metrics, shutdown).await
}

fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .with_context(|| format!("listen on {address}: choose another address with {flag}"))
}

async fn cluster() -> anyhow::Result<kube::Client> {
    kube::Client::try_default()
        .await
        .context("no API server: run in a cluster, or set KUBECONFIG")
}

#[expect(clippy::print_stdout, reason = "the outcome of a command")]
async fn cleaned(args: &Args, clean: &Clean) -> anyhow::Result<()> {
    let gcp = connect(args.endpoints()).await?;
    let outcomes = clean.run(&cluster().await?, &gcp, args.config()).await?;
    println!("{}", clean.print(&outcomes));
    let failed = outcomes.iter().filter(|outcome| outcome.error.is_some());
    match failed.count() {
        0 => Ok(()),
        count => anyhow::bail!("{count} identities stay: see above, mend it, and run this again"),
    }
}

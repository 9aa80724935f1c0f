//! Starts the broker.

use std::net::TcpListener;

use anyhow::Context as _;
use clap::Parser as _;
use namesake_broker::{Args, connect, run, signals, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    telemetry::start(&args.log, args.log_format)?;
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a crypto provider was installed already"))?;
    let listener = TcpListener::bind(args.listen).with_context(|| {
        format!(
            "listen on {}: choose another address with --listen",
            args.listen
        )
    })?;
    let client = kube::Client::try_default()
        .await
        .context("no API server: run in a cluster, or set KUBECONFIG")?;
    let gcp = connect(args.endpoints()).await?;
    run(args.config(), client, gcp, listener, signals::shutdown()?).await
}

//! Starts the webhook.

use clap::Parser as _;
use namesake_service::{
    bind, connect_to_cluster, install_crypto_provider, shutdown_on_signal, start_log,
};
use namesake_webhook::{Args, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    install_crypto_provider()?;
    start_log(&args.server.log, args.server.log_format)?;
    let listener = bind(args.listen, "--listen")?;
    let metrics = bind(args.server.metrics_listen, "--metrics-listen")?;
    let client = connect_to_cluster().await?;
    run(&args, client, listener, metrics, shutdown_on_signal()?).await
}

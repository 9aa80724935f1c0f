//! Starts the gateway.

use clap::Parser as _;
use namesake_gateway::config::Config;
use namesake_gateway::{Args, Command, Serve, bind_socket, run};
use namesake_service::{
    bind, connect_to_cluster, install_crypto_provider, shutdown_on_signal, start_log,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    install_crypto_provider()?;
    match args.command {
        Command::Render(args) => args.run().await,
        Command::Serve(args) => serve(&args).await,
    }
}

async fn serve(args: &Serve) -> anyhow::Result<()> {
    start_log(&args.server.log, args.server.log_format)?;
    let config = Config::load(&args.config)?;
    let listener = bind_socket(&args.socket)?;
    let metrics = bind(args.server.metrics_listen, "--metrics-listen")?;
    let client = connect_to_cluster().await?;
    let shutdown = shutdown_on_signal()?;
    run(args, config, client, listener, metrics, shutdown).await
}

//! The program `namesake-gateway`.

use clap::{Parser, Subcommand};
use namesake_gateway::render::Render;
use namesake_service::install_crypto_provider;

/// Authenticated endpoints for Metaflow's services.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Render(Box<Render>),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    install_crypto_provider()?;
    match args.command {
        Command::Render(render) => render.run().await,
    }
}

//! `gcp-emulator`: Google's side on loopback.

use clap::Parser;
use namesake_gcp_emulator::Cli;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    Cli::parse().run().await
}

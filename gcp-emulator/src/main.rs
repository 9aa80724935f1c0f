//! `gcp-emulator`: Google's side on loopback.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use namesake_gcp_emulator::{Emulator, Options, Seed};

/// Google's side on loopback: IAM, IAM credentials, STS, resource manager, storage and tokeninfo on one HTTP port.
///
/// Prints its base URL as the first line and runs until it is interrupted. Whoever reaches the port may use the
/// emulator's own API (/emulator/v1/…) and is therefore everybody: keep it on loopback. RUST_LOG sets the log filter.
#[derive(Debug, Parser)]
#[command(name = "gcp-emulator", version)]
struct Cli {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File (YAML or JSON) of projects, pools, service accounts, buckets, groups, roles and settings.
    #[arg(long)]
    seed: Option<PathBuf>,
    /// Base URL of a fake-gcs-server that keeps the objects.
    #[arg(long)]
    storage_upstream: Option<String>,
    /// Number that all random values start from, for repeatable runs.
    #[arg(long)]
    random_seed: Option<u64>,
    /// Requests without credentials may administer everything.
    #[arg(long)]
    anonymous_admin: bool,
}

impl Cli {
    /// Runs the emulator until Ctrl-C or SIGTERM.
    ///
    /// # Errors
    /// The seed cannot be read, or the address not be listened on.
    async fn run(self) -> anyhow::Result<()> {
        let mut world = match &self.seed {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("read {}", path.display()))?;
                Seed::parse(&text)
                    .map_err(|error| anyhow::anyhow!("seed {}: {error}", path.display()))?
            }
            None => Seed::default(),
        };
        if self.anonymous_admin {
            match world.settings.as_object_mut() {
                Some(settings) => {
                    settings.insert("anonymousAdmin".to_owned(), true.into());
                }
                None => world.settings = serde_json::json!({"anonymousAdmin": true}),
            }
        }
        let emulator = Emulator::start(Options {
            listen: self.listen,
            world,
            seed: self.random_seed,
            storage_upstream: self.storage_upstream,
            ..Options::default()
        })
        .await?;
        writeln!(std::io::stdout(), "{}", emulator.base_url)?;
        stopped().await?;
        emulator.stop();
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    Cli::parse().run().await
}

async fn stopped() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn it_starts_with_its_defaults_alone() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["gcp-emulator"]).unwrap();
        assert!(cli.listen.ip().is_loopback());
        let help = Cli::try_parse_from(["gcp-emulator", "--help"]).unwrap_err();
        assert_eq!(help.kind(), ErrorKind::DisplayHelp);
    }
}

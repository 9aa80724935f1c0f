//! `gcp-emulator`: an emulator of Google's APIs on loopback.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use namesake_gcp_emulator::replay::replay;
use namesake_gcp_emulator::{Emulator, Options, Seed};

/// Emulates Google's APIs on loopback: IAM, IAM credentials, STS, Resource Manager, Cloud Storage and tokeninfo on one HTTP
/// port.
///
/// Prints its base URL on the first line and runs until it is interrupted. Anyone who can reach the port can use the
/// emulator's own API (/emulator/v1/…) to act as anyone, so keep it on loopback. RUST_LOG sets the log filter.
#[derive(Debug, Parser)]
#[command(name = "gcp-emulator", version)]
struct Cli {
    /// Address to listen on; port 0 for a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// YAML or JSON file with projects, pools, service accounts, buckets, groups, roles and settings.
    #[arg(long)]
    seed: Option<PathBuf>,
    /// Base URL of a fake-gcs-server that keeps the objects.
    #[arg(long)]
    storage_upstream: Option<String>,
    /// Seed of all random values, for repeatable runs.
    #[arg(long)]
    random_seed: Option<u64>,
    /// Allow everything to requests without credentials.
    #[arg(long)]
    anonymous_admin: bool,
    /// Replay a report of docs/acceptance.md, print where the emulator differs from Google, and exit.
    #[arg(long, value_name = "REPORT")]
    replay: Option<PathBuf>,
}

impl Cli {
    /// Runs the emulator until Ctrl-C or SIGTERM.
    ///
    /// # Errors
    /// The seed cannot be read or is invalid, or the address cannot be listened on.
    async fn run(self) -> anyhow::Result<()> {
        if let Some(report) = &self.replay {
            return replay_file(report).await;
        }
        let mut seed = match &self.seed {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("read {}", path.display()))?;
                Seed::parse(&text)
                    .map_err(|error| anyhow::anyhow!("seed {}: {error}", path.display()))?
            }
            None => Seed::default(),
        };
        if self.anonymous_admin {
            match seed.settings.as_object_mut() {
                Some(settings) => {
                    settings.insert("anonymousAdmin".to_owned(), true.into());
                }
                None => seed.settings = serde_json::json!({"anonymousAdmin": true}),
            }
        }
        let emulator = Emulator::start(Options {
            listen: self.listen,
            seed,
            random_seed: self.random_seed,
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

/// Replays a report.
///
/// # Errors
/// It cannot be read, or the emulator differs from it.
async fn replay_file(path: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let found = replay(&text).await?;
    for disagreement in &found {
        write!(std::io::stdout(), "{disagreement}")?;
    }
    anyhow::ensure!(
        found.is_empty(),
        "the emulator differs from the report in {} places",
        found.len()
    );
    writeln!(std::io::stdout(), "the emulator answers as the report says")?;
    Ok(())
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
    fn no_flag_is_required() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["gcp-emulator"]).unwrap();
        assert!(cli.listen.ip().is_loopback());
        let help = Cli::try_parse_from(["gcp-emulator", "--help"]).unwrap_err();
        assert_eq!(help.kind(), ErrorKind::DisplayHelp);
    }
}

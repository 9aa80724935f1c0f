//! Starts the webhook.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use namesake_webhook::check::Check;
use namesake_webhook::{Args, Command, run, signals, telemetry};

/// The check could not look.
const UNKNOWN: u8 = 2;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a crypto provider was installed already"))?;
    if let Some(Command::Check(check)) = &args.command {
        return Ok(checked(&args.namespace, check).await);
    }
    telemetry::start(&args.log, args.log_format)?;
    let listener = listen(args.listen, "--listen")?;
    let metrics = listen(args.metrics_listen, "--metrics-listen")?;
    let client = cluster().await?;
    run(&args, client, listener, metrics, signals::shutdown()?).await?;
    Ok(ExitCode::SUCCESS)
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

// Without a log: what it prints is the report alone.
#[expect(clippy::print_stderr, reason = "the outcome of a command")]
async fn checked(namespace: &str, check: &Check) -> ExitCode {
    let report = async { check.run(&cluster().await?, namespace).await };
    match report.await {
        Ok(report) => {
            // A reader that went away has read enough.
            let _ = writeln!(std::io::stdout(), "{}", check.print(&report));
            ExitCode::from(report.exit_code())
        }
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(UNKNOWN)
        }
    }
}

//! Starts the webhook.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use namesake_service::{
    bind, connect_to_cluster, install_crypto_provider, shutdown_on_signal, start_log,
};
use namesake_webhook::check::Check;
use namesake_webhook::{Args, Command, run};

/// Exit code of a check that could not be made.
const UNKNOWN: u8 = 2;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    install_crypto_provider()?;
    if let Some(Command::Check(check)) = &args.command {
        return Ok(checked(&args.server.namespace, check).await);
    }
    start_log(&args.server.log, args.server.log_format)?;
    let listener = bind(args.listen, "--listen")?;
    let metrics = bind(args.server.metrics_listen, "--metrics-listen")?;
    let client = connect_to_cluster().await?;
    run(&args, client, listener, metrics, shutdown_on_signal()?).await?;
    Ok(ExitCode::SUCCESS)
}

// Without a log: it prints the report only.
#[expect(clippy::print_stderr, reason = "the outcome of a command")]
async fn checked(namespace: &str, check: &Check) -> ExitCode {
    let report = async { check.run(&connect_to_cluster().await?, namespace).await };
    match report.await {
        Ok(report) => {
            // The reader may have closed the pipe.
            let _ = writeln!(std::io::stdout(), "{}", check.print(&report));
            ExitCode::from(report.exit_code())
        }
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(UNKNOWN)
        }
    }
}

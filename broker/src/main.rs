//! The program `namesake-broker`.

use clap::Parser as _;
use namesake_broker::server::clean::Clean;
use namesake_broker::{Args, Command, connect, run};
use namesake_service::{
    bind, connect_to_cluster, install_crypto_provider, shutdown_on_signal, start_log,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    start_log(&args.server.log, args.server.log_format)?;
    install_crypto_provider()?;
    if let Some(Command::Clean(clean)) = &args.command {
        return run_clean(&args, clean).await;
    }
    let listener = bind(args.listen, "--listen")?;
    let metrics = bind(args.server.metrics_listen, "--metrics-listen")?;
    let client = connect_to_cluster().await?;
    let gcp = connect(args.endpoints())
        .await?
        .with_rate_limits(args.rates());
    let (config, shutdown) = (args.config(), shutdown_on_signal()?);
    run(config, client, gcp, listener, metrics, shutdown).await
}

#[expect(clippy::print_stdout, reason = "the output of a command")]
async fn run_clean(args: &Args, clean: &Clean) -> anyhow::Result<()> {
    let gcp = connect(args.endpoints()).await?;
    let client = connect_to_cluster().await?;
    let outcomes = clean.run(&client, &gcp, args.config()).await?;
    println!("{}", clean.print(&outcomes));
    match outcomes
        .iter()
        .filter(|outcome| outcome.error.is_some())
        .count()
    {
        0 => Ok(()),
        count => anyhow::bail!(
            "{count} identities were not deleted: fix the errors above, and run this again"
        ),
    }
}

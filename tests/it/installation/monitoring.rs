//! Metrics, alerts and dashboard: what the programs serve, and what is said about it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow, ensure};
use namesake_sandbox::{
    cli::output::say, host::work_folder::workspace_root, programs::promtool::find_or_build,
};
use namesake_service::MetricInfo;

mod alerts;
mod page;
mod scraping;
mod served;

/// The metrics of every program.
fn declared() -> Vec<(&'static str, Vec<MetricInfo>)> {
    let webhook = namesake_webhook::state::metrics::Metrics::default();
    let broker = namesake_broker::server::metrics::Metrics::default();
    let gateway = namesake_gateway::state::Metrics::default();
    vec![
        ("webhook", webhook.infos().to_vec()),
        ("broker", broker.infos().to_vec()),
        ("gateway", gateway.infos().to_vec()),
    ]
}

/// The folder of alerts, dashboard and components.
fn folder() -> PathBuf {
    workspace_root().join("manifests/metrics")
}

/// Runs promtool, which is built on its first use, with this input; fails with its output if it finds anything.
fn promtool(args: &[&str], input: &str) -> Result<()> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND
        .get_or_init(|| find_or_build(&mut |line| say(line)).map_err(|error| format!("{error:#}")));
    let program = found.as_ref().map_err(|error| anyhow!(error.clone()))?;
    let mut child = Command::new(program)
        .args(args)
        .current_dir(folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("promtool")?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, problems) = (text(&output.stdout), text(&output.stderr));
    ensure!(
        output.status.success() && problems.is_empty(),
        "promtool {}:\n{out}{problems}",
        args.join(" ")
    );
    Ok(())
}

/// Compares a generated file, or writes it.
fn check_generated(path: &Path, expected: &str) -> Result<()> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return Ok(std::fs::write(path, expected)?);
    }
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    ensure!(
        text == expected,
        "{} is stale: UPDATE_GOLDEN=1 writes it",
        path.display()
    );
    Ok(())
}

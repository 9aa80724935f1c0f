//! Scale: a broker with 50,000 identities, and a thousand new users who arrive at 20 per second. The API server is real, Google is
//! emulated with latency and quotas, and our programs are release builds in separate processes.

mod arrivals;
mod crowd;
mod etcd;
mod google;
mod home;
mod identities;
mod process;
mod replica;
mod report;
#[path = "../../../webhook/benches/load/sections.rs"]
mod sections;
mod size;
mod spent;
mod start;

use std::io::Write;
use std::process::ExitCode;

use namesake_sandbox::WorkFolder;
use namesake_sandbox::cli::output::say;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use home::Home;
use report::Report;
use size::Size;

fn main() -> anyhow::Result<ExitCode> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // `cargo test --benches` only checks that benches run.
    let smoke = std::env::args().any(|argument| argument == "--test");
    let size = Size::of_run(smoke)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let folder = WorkFolder::create()?;
        let measured = tokio::select! {
            measured = bench(&folder, &size) => measured,
            signal = asked_to_end() => {
                signal?;
                say("asked to end");
                return Ok(ExitCode::from(130));
            }
        };
        if measured.is_err() {
            folder.keep();
            say(&format!("logs are kept in {}", folder.logs().display()));
        }
        let report = measured?;
        write!(std::io::stdout(), "{report}")?;
        write_section(&report, &size)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Writes the report's section of `target/bench/report.json`.
fn write_section(report: &Report, size: &Size) -> anyhow::Result<()> {
    let mut section = serde_json::to_value(report)?;
    section["size"] = json!({"identities": size.identities, "users": size.users});
    sections::write("scale", &section)
}

async fn bench(folder: &WorkFolder, size: &Size) -> anyhow::Result<Report> {
    say(&format!(
        "{} identities, {} new users (NAMESAKE_SCALE=IDENTITIES/USERS makes it smaller)",
        size.identities, size.users
    ));
    let mut report = Report::default();
    let home = Home::start(folder, size).await?;
    start::fill(&home, size).await?;
    let broker = start::measure(&home, size, &mut report).await?;
    arrivals::measure(&home, size, &broker, &mut report).await?;
    Ok(report)
}

async fn asked_to_end() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Formats bytes for people.
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

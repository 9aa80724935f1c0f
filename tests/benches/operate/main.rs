//! How long `kubectl namesake` takes for answers that somebody waits for, beside many identities: whole runs of the real program against
//! a real API server with Namesake.

mod cluster;
#[path = "../scale/report.rs"]
mod report;
#[path = "../../../webhook/benches/load/sections.rs"]
mod sections;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::cli::output::say;
use namesake_sandbox::{RESEARCH, WorkFolder};

use cluster::{Cluster, NOT_READY};
use report::{Report, Times};

/// The goals, in milliseconds.
const ANSWER: f64 = 300.0;
const DOCTOR: f64 = 5_000.0;

#[tokio::main]
async fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // `cargo test --benches` only checks that benches run.
    let smoke = std::env::args().any(|argument| argument == "--test");
    let (identities, runs) = if smoke { (40, 2) } else { (5_000, 11) };
    let folder = WorkFolder::create()?;
    let measured = bench(&folder, identities, runs).await;
    if measured.is_err() {
        folder.keep();
        say(&format!("logs are kept in {}", folder.logs().display()));
    }
    let report = measured?;
    write!(std::io::stdout(), "{report}")?;
    sections::write("operate", &report)
}

async fn bench(folder: &WorkFolder, identities: usize, runs: usize) -> Result<Report> {
    let cluster = Cluster::start(folder, identities).await?;
    let kubeconfig = cluster.kubeconfig();
    let mut report = Report::default();
    let all = format!("{identities} identities");
    let not_ready = list_not_ready(&kubeconfig)?;
    let expected = identities.div_ceil(NOT_READY);
    ensure!(
        not_ready == expected,
        "{not_ready} identities are listed, not {expected}"
    );
    for (name, words, limit) in [
        (
            "explain pod",
            vec!["explain", "pod", &cluster.pod, "-n", RESEARCH],
            ANSWER,
        ),
        (
            "explain user",
            vec!["explain", "user", &cluster.user],
            ANSWER,
        ),
        ("list --not-ready", vec!["list", "--not-ready"], ANSWER),
        ("doctor", vec!["doctor"], DOCTOR),
    ] {
        say(&format!("{name}, {runs} times"));
        let mut times = Vec::with_capacity(runs);
        for _ in 0..runs {
            times.push(time(&kubeconfig, &words)?);
        }
        let times = Times::of(times);
        let median = times.percentile(50);
        report.goal(format!("{name}, {all}, median"), median, limit, "ms");
        let slowest = format!("{name}, the slowest of {runs} runs");
        report.figure(slowest, times.percentile(100), "ms");
    }
    Ok(report)
}

/// How many identities are listed as not ready: a measurement of an answer without any would be worthless.
fn list_not_ready(kubeconfig: &Path) -> Result<usize> {
    let output = output(kubeconfig, &["list", "--not-ready", "-o", "short"])?;
    Ok(String::from_utf8(output.stdout)?.lines().count())
}

/// Runs the program once, and returns how long it took.
fn time(kubeconfig: &Path, words: &[&str]) -> Result<Duration> {
    let started = Instant::now();
    output(kubeconfig, words)?;
    Ok(started.elapsed())
}

/// Runs the program once, and returns its whole answer.
fn output(kubeconfig: &Path, words: &[&str]) -> Result<Output> {
    let output = Command::new(program()?)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(words)
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    // 0 and 1 are whole answers.
    let is_whole = matches!(output.status.code(), Some(0 | 1));
    ensure!(
        is_whole,
        "{words:?} gave no whole answer: {} {text}",
        output.status
    );
    Ok(output)
}

/// The program of the same build.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).context("no folder")?;
    let program = folder.join("kubectl-namesake");
    ensure!(
        program.is_file(),
        "{} is not built: cargo build --workspace --bins",
        program.display()
    );
    Ok(program)
}

//! Whole pods: what a pod's creation costs with Namesake, as the API server's clients see it, beside no webhook, a webhook that answers
//! a constant, and a MutatingAdmissionPolicy. The API servers are real, and our programs are release builds.

mod clusters;
mod compare;
mod constant;
mod curve;
mod load;
#[path = "../gateway/median.rs"]
mod median;
#[path = "../scale/report.rs"]
mod report;
#[path = "../../../webhook/benches/load/sections.rs"]
mod sections;
mod size;

use std::io::Write;

use namesake_sandbox::WorkFolder;
use namesake_sandbox::cli::output::say;

use clusters::Clusters;
use report::Report;
use size::Size;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // `cargo test --benches` only checks that benches run.
    let smoke = std::env::args().any(|argument| argument == "--test");
    let size = Size::new(smoke);
    let folders = [WorkFolder::create()?, WorkFolder::create()?];
    let measured = bench(&folders, &size).await;
    if measured.is_err() {
        for folder in &folders {
            folder.keep();
            say(&format!("logs are kept in {}", folder.logs().display()));
        }
    }
    let report = measured?;
    write!(std::io::stdout(), "{report}")?;
    sections::write("admission", &report)
}

async fn bench(folders: &[WorkFolder; 2], size: &Size) -> anyhow::Result<Report> {
    let clients = size.curve.iter().copied().max().unwrap_or_default().max(8);
    let clusters = Clusters::start(folders, clients).await?;
    let mut report = Report::default();
    compare::compare(&clusters, size, &mut report).await?;
    let picture = sections::folder()?.join("admission.svg");
    curve::measure(&clusters, size, &picture, &mut report).await?;
    Ok(report)
}

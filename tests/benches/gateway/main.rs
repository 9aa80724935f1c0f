//! The gateway: what it adds to a request, what the authorizer costs beside Envoy's own check of tokens, and its memory with 50,000
//! identities. Envoy, the OpenID provider and the metadata service are real; our program is a release build.

mod api_server;
mod load;
mod measure;
mod median;
#[path = "../scale/process.rs"]
mod process;
#[path = "../scale/report.rs"]
mod report;
mod rules;
#[path = "../../../webhook/benches/load/sections.rs"]
mod sections;
mod servers;
mod size;

use std::io::Write;

use namesake_sandbox::WorkFolder;
use namesake_sandbox::cli::output::say;
use namesake_sandbox::host::children::Children;

use report::Report;
use size::Size;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // `cargo test --benches` only checks that benches run.
    let smoke = std::env::args().any(|argument| argument == "--test");
    let size = Size::new(smoke);
    let folder = WorkFolder::create()?;
    let children = Children::start()?;
    let measured = bench(&folder, &children, &size).await;
    children.kill_all();
    if measured.is_err() {
        folder.keep();
        say(&format!("logs are kept in {}", folder.logs().display()));
    }
    let report = measured?;
    write!(std::io::stdout(), "{report}")?;
    sections::write("gateway", &report)
}

async fn bench(folder: &WorkFolder, children: &Children, size: &Size) -> anyhow::Result<Report> {
    let servers = servers::Servers::start(folder, children, size).await?;
    let mut report = Report::default();
    measure::compare(&servers, size, &mut report).await?;
    measure::endure(&servers, size, &mut report).await?;
    Ok(report)
}

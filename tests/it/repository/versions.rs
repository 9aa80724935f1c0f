//! The versions of Kubernetes that the documentation calls tested are those that the sandbox pins.

use std::fs;

use anyhow::{Context, Result, ensure};
use namesake_sandbox::{host::work_folder::workspace_root, programs::kubernetes::versions};

/// The table with each version.
const TABLE: &str = "docs/trust.md";
/// What an admin reads before the installation.
const REQUIREMENTS: &str = "docs/install.md";

#[test]
fn the_documentation_names_the_tested_versions_of_kubernetes() -> Result<()> {
    let read = |page| fs::read_to_string(workspace_root().join(page));
    let (older, newest) = (versions::older()?, versions::newest()?);
    let (last, _) = newest
        .trim_start_matches('v')
        .rsplit_once('.')
        .context("the newest version has another form")?;
    let names: Vec<&str> = older.iter().map(|(name, _)| name.as_str()).collect();
    let names = format!("{} and {last}", names.join(", "));

    let table = read(TABLE)?;
    let row = table
        .lines()
        .find(|line| line.starts_with("| Kubernetes |"));
    let row = row.with_context(|| format!("{TABLE} has no row for Kubernetes"))?;
    ensure!(
        row.contains(&names),
        "{TABLE} does not say {names:?}: {row}"
    );
    for version in older.iter().map(|(_, version)| version).chain([&newest]) {
        ensure!(row.contains(version), "{TABLE} lacks {version}: {row}");
    }
    let claim = format!("The tests run on {names} ");
    ensure!(
        read(REQUIREMENTS)?.contains(&claim),
        "{REQUIREMENTS} does not say {claim:?}"
    );
    Ok(())
}

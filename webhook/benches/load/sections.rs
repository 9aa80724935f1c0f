//! `target/bench/report.json`: one document with a section for each bench.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value};

/// The folder of the report and of other files of the benches.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Replaces the figures of `bench` in the report, and keeps those of other benches.
///
/// # Errors
/// When the report cannot be written, or is not a JSON object (`make bench` begins a new one).
pub(crate) fn write(bench: &str, figures: &impl Serialize) -> anyhow::Result<()> {
    let path = folder()?.join("report.json");
    let mut report: Map<String, Value> = match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .with_context(|| format!("{} is not a report: delete it", path.display()))?,
        Err(_) => Map::new(),
    };
    report.insert(bench.to_owned(), serde_json::to_value(figures)?);
    std::fs::write(&path, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("failed to write {}", path.display()))
}

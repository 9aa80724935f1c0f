//! The images of `make images`, pushed to a registry, pulled again, and run from what is in them and nothing else; the chart, read
//! from there by Helm; and the plugin, installed by krew.
//! `make test-images` runs this.

mod chart;
mod cluster;
mod contents;
mod dns;
mod krew;
mod packing;
mod registry;
mod root;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;

/// Each image, with its program and the package of that.
const IMAGES: [(&str, &str, &str); 4] = [
    ("webhook", "namesake-webhook", "namesake-webhook"),
    ("broker", "namesake-broker", "namesake-broker"),
    ("gateway", "namesake-gateway", "namesake-gateway"),
    ("cli", "kubectl-namesake", "namesake-cli"),
];
/// The version of the programs, and the tag of their images.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The platform that they are built for, as cargo names it.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// A path in the target folder of the workspace.
fn target(path: &str) -> PathBuf {
    workspace_root().join("target").join(path)
}

/// A program that was built into a folder of the target folder.
fn tool(path: &str) -> Result<PathBuf> {
    let program = target(path);
    ensure!(
        program.is_file(),
        "{} is missing: run make test-images",
        program.display()
    );
    Ok(program)
}

/// What a command prints, if it succeeds.
fn output(command: &mut Command) -> Result<Vec<u8>> {
    let shown = format!("{command:?}");
    let output = command
        .output()
        .with_context(|| format!("cannot run {shown}"))?;
    ensure!(
        output.status.success(),
        "{shown}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

/// The same as text.
fn text(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8(output(command)?)?.trim().to_owned())
}

/// Runs something in the root of the workspace.
fn in_workspace(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.current_dir(workspace_root());
    command
}

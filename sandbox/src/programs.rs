//! The programs that a run needs and that are not ours: each is built or installed once, pinned, below `target/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use thiserror::Error;

pub mod gateway;
pub(crate) mod go_module;
pub mod google_clients;
pub mod google_schema;
pub mod helm;
pub mod kubernetes;
pub mod node;
pub mod prometheus_operator;
pub mod promtool;
pub mod python;
pub mod tofu;

/// Environment variable with a folder of existing programs, as other Kubernetes test tools use it.
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// A program and the Go package that it is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// The file name.
    pub name: &'static str,
    pub(crate) package: &'static str,
}

/// Why a program is not available.
#[derive(Debug, Error)]
pub enum Error {
    /// Programs are missing in the folder that the user named.
    #[error(
        "{ASSETS}={folder} does not contain {missing}: add it there, or unset {ASSETS} and let the sandbox build it with Go (about 6 minutes, once)",
        folder = .folder.display()
    )]
    Missing {
        /// The value of KUBEBUILDER_ASSETS.
        folder: PathBuf,
        /// File names.
        missing: String,
    },
    /// A required tool is not installed.
    #[error("{tool} is not installed (looked in PATH): {remedy}")]
    NoTool {
        /// The command.
        tool: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A Go build failed.
    #[error("go build of {program} failed; its log {log} ends with:\n{tail}", log = .log.display())]
    Build {
        /// The program's name.
        program: &'static str,
        /// The whole output.
        log: PathBuf,
        /// Its end.
        tail: String,
    },
}

/// Creates a folder of built or installed programs if it does not exist, and locks it until the returned file is dropped: a second
/// run that builds into it waits, and then finds everything built.
pub(crate) fn lock(folder: &Path) -> anyhow::Result<fs::File> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let lock = fs::File::create(folder.join(".lock")).context("cannot create a lock file")?;
    lock.lock()
        .with_context(|| format!("cannot lock {}", folder.display()))?;
    Ok(lock)
}

//! The programs that a run needs and that are not ours: each is built or installed once, pinned, below `target/`.

use std::path::PathBuf;

use thiserror::Error;

pub(crate) mod go_module;
pub mod google_clients;
pub mod kubernetes;
pub mod python;

/// The convention of the field for "use the programs that I already have".
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// A program and the Go package that it is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// The file name.
    pub name: &'static str,
    pub(crate) package: &'static str,
}

/// Why the programs cannot be had.
#[derive(Debug, Error)]
pub enum Error {
    /// The folder that the user named lacks some.
    #[error(
        "{ASSETS}={folder} lacks {missing}: add it there, or unset {ASSETS} and let the sandbox build it with Go (about 6 minutes, once)",
        folder = .folder.display()
    )]
    Lacking {
        /// The value of KUBEBUILDER_ASSETS.
        folder: PathBuf,
        /// File names.
        missing: String,
    },
    /// A tool that we need is not installed.
    #[error("{tool} is not installed (looked in PATH): {remedy}")]
    NoTool {
        /// The command.
        tool: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A Go build failed.
    #[error("go build of {program} failed; its log {log} ends:\n{tail}", log = .log.display())]
    Build {
        /// The program's name.
        program: &'static str,
        /// The whole output.
        log: PathBuf,
        /// Its end.
        tail: String,
    },
}

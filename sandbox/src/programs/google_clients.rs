//! Google's clients for Python, Node.js and Go, installed pinned into `target/clients`: the tests run them unchanged
//! against the emulator. Their programs are in `sandbox/clients`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{
    host::{children::Launch, work_folder::workspace_root},
    programs::{
        Error, lock,
        node::Node,
        python::{Python, found_in, run_install},
    },
};

/// The folder of the clients' programs, and the folder below `target` of what is installed for them.
const CLIENTS: &str = "clients";

/// The folder of the program for one language.
#[must_use]
pub fn program_folder(language: &str) -> PathBuf {
    let root = workspace_root();
    root.join("sandbox").join(CLIENTS).join(language)
}

/// Google's clients for Python; Node.js and npm are in the same environment.
///
/// # Errors
/// There is no Python 3, or a package cannot be installed.
pub fn python(progress: &mut dyn FnMut(&str)) -> Result<Python> {
    let folder = Path::new(CLIENTS).join("python");
    Python::environment(&folder, &Path::new("sandbox").join(&folder), progress)
}

/// Google's authentication library for Node.js.
///
/// # Errors
/// A package cannot be installed.
pub fn node(progress: &mut dyn FnMut(&str)) -> Result<Node> {
    let title = "installing Google's packages for Node.js into target/clients/node";
    let (source, target) = (program_folder("node"), installed("node"));
    Node::install(&python(progress)?, &source, &target, title, progress)
}

/// Builds the program for Go. Go itself knows whether anything has changed.
///
/// # Errors
/// Go is not installed, or the build fails.
pub fn go(progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let path = std::env::var_os("PATH");
    let go = found_in(path.as_deref(), "go").ok_or(Error::NoTool {
        tool: "go, 1.26 or newer,",
        remedy: "install it; it builds Google's client for Go, which the tests run",
    })?;
    let folder = installed("go");
    let _lock = lock(&folder)?;
    progress("building Google's client for Go into target/clients/go");
    let program = folder.join("client");
    let output = program.display().to_string();
    let args = ["build", "-mod=readonly", "-o", &output, "."];
    let args = args.map(str::to_owned).into();
    let mut launch = Launch::new("go-build", &go, args, &folder);
    launch.folder = Some(program_folder("go"));
    run_install(&launch)?;
    Ok(program)
}

fn installed(language: &str) -> PathBuf {
    let target = workspace_root().join("target");
    target.join(CLIENTS).join(language)
}

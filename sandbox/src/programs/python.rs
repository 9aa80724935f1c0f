//! The stock Metaflow client and what its tasks need, installed pinned into `target/python`.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    host::{
        children::{Launch, run_to_end, tail},
        work_folder::workspace_root,
    },
    programs::{Error, lock},
};

/// Installed if there is no uv in PATH.
const UV: &str = "uv==0.13.9";
const REQUIREMENTS: &str = "requirements.txt";

/// A virtual environment with Metaflow.
#[derive(Debug, Clone)]
pub struct Python {
    folder: PathBuf,
}

impl Python {
    /// Finds the environment, or creates it: with uv from PATH, or else with a pinned one in its own environment.
    ///
    /// # Errors
    /// There is no Python 3, or a package cannot be installed: the message has the remedy or the installer's output.
    pub fn find_or_install(progress: &mut dyn FnMut(&str)) -> Result<Self> {
        Self::environment(Path::new("python"), Path::new("sandbox/python"), progress)
    }

    /// The environment that lints and tests the client package, with stock Metaflow and without the package itself.
    ///
    /// # Errors
    /// As [`Python::find_or_install`].
    pub fn for_client_package(progress: &mut dyn FnMut(&str)) -> Result<Self> {
        Self::environment(Path::new("client"), Path::new("client"), progress)
    }

    /// The environment in `target/<target>` with the packages that `<pins>/requirements.txt` pins.
    ///
    /// # Errors
    /// As [`Python::find_or_install`].
    pub(crate) fn environment(
        target: &Path,
        pins: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let root = workspace_root();
        let pins = root.join(pins).join(REQUIREMENTS);
        let title = format!(
            "installing Python packages into target/{}",
            target.display()
        );
        let target = root.join("target").join(target);
        let _lock = lock(&target)?;
        let wanted =
            fs::read_to_string(&pins).with_context(|| format!("cannot read {}", pins.display()))?;
        let found = Self {
            folder: target.join("env"),
        };
        let stamp = target.join("installed.txt");
        if found.program().is_file()
            && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted)
        {
            return Ok(found);
        }
        progress(&title);
        found.install(&pins, &target.join("install.log"))?;
        fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
        Ok(found)
    }

    /// Creates the environment from scratch.
    fn install(&self, pins: &Path, log: &Path) -> Result<()> {
        let path = std::env::var_os("PATH");
        let python = python3(path.as_deref())?;
        let uv = match found_in(path.as_deref(), "uv") {
            Some(uv) => uv,
            None => own_uv(&python)?,
        };
        let text = |path: &Path| path.display().to_string();
        let (python, folder) = (text(&python), text(&self.folder));
        let create = ["venv", "--clear", "--python", &python, &folder];
        run(&uv, &create, log)?;
        let (pins, interpreter) = (text(pins), text(&self.program()));
        let install = [
            "pip",
            "install",
            "--require-hashes",
            "--requirement",
            &pins,
            "--python",
            &interpreter,
        ];
        run(&uv, &install, log)
    }

    /// The folder with `python` and the installed commands.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// The interpreter.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.bin().join("python")
    }
}

/// The Python interpreter in this PATH, if it is new enough.
fn python3(path: Option<&OsStr>) -> Result<PathBuf, Error> {
    let is_new_enough = |python: &PathBuf| {
        let check = "import sys; sys.exit(sys.version_info < (3, 10))";
        Command::new(python)
            .args(["-c", check])
            .status()
            .is_ok_and(|status| status.success())
    };
    found_in(path, "python3")
        .filter(is_new_enough)
        .ok_or(Error::NoTool {
            tool: "python3, 3.10 or newer,",
            remedy: "install it; it runs the stock Metaflow client",
        })
}

/// The first file of this name in the folders of PATH.
pub(crate) fn found_in(path: Option<&OsStr>, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path?)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// The pinned uv, in an environment that all our environments share.
fn own_uv(python: &Path) -> Result<PathBuf> {
    let target = workspace_root().join("target").join("uv");
    let _lock = lock(&target)?;
    let log = target.join("install.log");
    let folder = target.join(UV);
    let uv = folder.join("bin").join("uv");
    if !uv.is_file() {
        let target = folder.display().to_string();
        run(
            python, &["-m", "venv", "--clear", &target], &log).context(
            "there is no uv in PATH, and creating an environment for it failed: install uv (https://docs.astral.sh/uv), or Python's venv module \
             (python3-venv on Debian)",
        )?;
        run(
            &folder.join("bin").join("python"),
            &["-m", "pip", "install", UV],
            &log,
        )?;
    }
    Ok(uv)
}

fn run(program: &Path, args: &[&str], log: &Path) -> Result<()> {
    let args = args.iter().map(|&it| it.to_owned()).collect();
    let mut launch = Launch::new("install", program, args, Path::new(""));
    launch.log = log.to_path_buf();
    run_install(&launch)
}

/// Runs an installer until it exits.
///
/// # Errors
/// It fails: the message has the end of its log.
pub(crate) fn run_install(launch: &Launch) -> Result<()> {
    let ended = run_to_end(launch, &mut |_| ())?;
    if ended.code != 0 {
        anyhow::bail!(
            "{} failed; its log {} ends with:\n{}",
            launch.program.display(),
            launch.log.display(),
            tail(&launch.log, 10)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_error_for_a_missing_or_outdated_python_says_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().as_os_str());
        let missing = python3(path).unwrap_err().to_string();
        assert!(
            missing.contains("python3, 3.10 or newer, is not installed"),
            "{missing}"
        );
        // One that reports a version that is too old.
        let old = folder.path().join("python3");
        fs::write(&old, "#!/bin/sh\nexit 1\n").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(python3(path).is_err());
        assert!(python3(None).is_err());
    }
}

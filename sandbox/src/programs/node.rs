//! Node.js programs with their packages from npm, pinned by a package-lock.json.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    host::children::Launch,
    programs::{
        lock,
        python::{Python, run_install},
    },
};

/// Node.js with installed packages.
#[derive(Debug, Clone)]
pub struct Node {
    /// The interpreter.
    pub program: PathBuf,
    /// The folder with `node_modules`.
    pub folder: PathBuf,
}

impl Node {
    /// Installs the packages that `source/package-lock.json` pins into `target`, with the npm of a Python environment, unless they
    /// are there.
    ///
    /// # Errors
    /// A package cannot be installed.
    pub(crate) fn install(
        python: &Python,
        source: &Path,
        target: &Path,
        title: &str,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let bin = python.bin();
        let _lock = lock(target)?;
        let found = Self {
            program: bin.join("node"),
            folder: target.to_path_buf(),
        };
        let lock_file = source.join("package-lock.json");
        let wanted = fs::read_to_string(&lock_file)
            .with_context(|| format!("cannot read {}", lock_file.display()))?;
        let stamp = target.join("installed.txt");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(found);
        }
        progress(title);
        for name in ["package.json", "package-lock.json"] {
            fs::copy(source.join(name), target.join(name))
                .with_context(|| format!("cannot copy {name}"))?;
        }
        let args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        let args = args.map(str::to_owned).into();
        let mut launch = Launch::new("npm", &bin.join("npm"), args, target);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path)))?;
        launch.env = vec![("PATH".to_owned(), path.to_string_lossy().into_owned())];
        launch.folder = Some(target.to_path_buf());
        run_install(&launch)?;
        fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
        Ok(found)
    }
}

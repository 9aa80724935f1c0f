//! Programs built from a Go module of our own: each once, stamped with what it was built from.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    host::children::{Launch, run_to_end, tail},
    programs::{Error, Program},
};

const PROGRESS: Duration = Duration::from_secs(10);
const INSTALL_GO: &str = "install Go 1.26 or newer (https://go.dev/dl), or set KUBEBUILDER_ASSETS to a folder that has the \
                          programs already: sandbox/README.md names them";

/// Where the programs of one Go module are built, and how.
#[derive(Debug)]
pub(crate) struct GoBuild {
    /// The folder of go.mod.
    pub(crate) module: PathBuf,
    /// Another go.mod for the same folder, if there is one.
    pub(crate) modfile: Option<PathBuf>,
    /// The folder of the built programs.
    pub(crate) target: PathBuf,
    /// For the linker.
    pub(crate) ldflags: String,
    /// What the programs depend on.
    pub(crate) stamp: String,
}

impl GoBuild {
    /// Builds those that are missing or were built from something else; `progress` gets a line about every 10 s. Who calls holds
    /// the target folder's lock.
    pub(crate) fn build_missing(
        &self,
        programs: &[Program],
        progress: &mut dyn FnMut(&str),
    ) -> Result<()> {
        for (number, program) in programs.iter().enumerate() {
            let stamp = self.target.join(format!(".{}.stamp", program.name));
            let is_built = self.target.join(program.name).is_file()
                && fs::read_to_string(&stamp).is_ok_and(|old| old == self.stamp);
            if !is_built {
                let title = format!(
                    "building {} ({} of {})",
                    program.name,
                    number + 1,
                    programs.len()
                );
                self.build(*program, &title, progress)?;
                fs::write(&stamp, &self.stamp)
                    .with_context(|| format!("cannot write {}", stamp.display()))?;
            }
        }
        Ok(())
    }

    fn build(&self, program: Program, title: &str, progress: &mut dyn FnMut(&str)) -> Result<()> {
        // Built beside its place: a build that is broken off leaves no half program.
        let fresh = self.target.join(format!(".{}.new", program.name));
        let mut args: Vec<String> = ["build", "-mod=readonly", "-ldflags", &self.ldflags]
            .map(str::to_owned)
            .into();
        args.extend(
            self.modfile
                .iter()
                .map(|file| format!("-modfile={}", file.display())),
        );
        args.extend([
            "-o".to_owned(),
            fresh.display().to_string(),
            program.package.to_owned(),
        ]);
        let mut launch = Launch::new("go-build", Path::new("go"), args, &self.target);
        launch.folder = Some(self.module.clone());
        launch.log = self.target.join(format!("{}.build.log", program.name));
        let _ = fs::remove_file(&launch.log);
        progress(title);
        let mut said = Duration::ZERO;
        let ended = run_to_end(&launch, &mut |since| {
            if since >= said + PROGRESS {
                said = since;
                progress(&format!("{title}: {} s", since.as_secs()));
            }
        })?;
        if ended.code != 0 {
            let (tail, log) = (tail(&launch.log, 10), launch.log);
            return Err(Error::Build {
                program: program.name,
                log,
                tail,
            }
            .into());
        }
        let target = self.target.join(program.name);
        fs::rename(&fresh, &target).with_context(|| format!("cannot write {}", target.display()))
    }
}

/// Takes the lock of a folder of built programs, and makes the folder. Two runs at once must not write the same file: the second
/// waits, and then finds it built.
pub(crate) fn lock(target: &Path) -> Result<fs::File> {
    fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
    let lock = fs::File::create(target.join(".lock")).context("cannot make a lock file")?;
    lock.lock()
        .with_context(|| format!("cannot lock {}", target.display()))?;
    Ok(lock)
}

/// What a build depends on: Go's version, and these files of the module.
pub(crate) fn stamp(module: &Path, files: &[&str]) -> Result<String> {
    let mut stamp = go(module, &["version"])?;
    for name in files {
        let path = module.join(name);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        stamp.push_str(&text);
    }
    Ok(stamp)
}

/// What a go command says in a folder.
pub(crate) fn go(folder: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("go")
        .args(args)
        .current_dir(folder)
        .output()
        .map_err(|_| Error::NoTool {
            tool: "go",
            remedy: INSTALL_GO,
        })?;
    anyhow::ensure!(
        output.status.success(),
        "go {} failed in {}:\n{}",
        args.join(" "),
        folder.display(),
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

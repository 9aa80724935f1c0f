//! Programs built from our own Go modules: each once, with a stamp of what it was built from.

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
const INSTALL_GO: &str = "install Go 1.26.7 or newer (https://go.dev/dl), or set KUBEBUILDER_ASSETS to a folder that has the \
                          programs: sandbox/README.md names them";

/// Where the programs of one Go module are built, and how.
#[derive(Debug)]
pub(crate) struct GoBuild {
    /// The folder of go.mod.
    pub(crate) module: PathBuf,
    /// Another go.mod for the same folder, if there is one.
    pub(crate) modfile: Option<PathBuf>,
    /// The folder of the built programs.
    pub(crate) target: PathBuf,
    /// Build tags.
    pub(crate) tags: &'static str,
    /// Linker flags.
    pub(crate) ldflags: String,
    /// Everything that the programs were built from: they are built again when it changes.
    pub(crate) stamp: String,
}

impl GoBuild {
    /// Builds the programs that are missing or outdated; `progress` gets a line about every 10 s. The caller holds the lock of the
    /// target folder.
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
        // Built next to its final place: an interrupted build leaves no incomplete program.
        let fresh = self.target.join(format!(".{}.new", program.name));
        let mut args: Vec<String> = ["build", "-mod=readonly", "-ldflags", &self.ldflags]
            .map(str::to_owned)
            .into();
        args.extend(
            self.modfile
                .iter()
                .map(|file| format!("-modfile={}", file.display())),
        );
        if !self.tags.is_empty() {
            args.push(format!("-tags={}", self.tags));
        }
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
        let mut reported = Duration::ZERO;
        let ended = run_to_end(&launch, &mut |since| {
            if since >= reported + PROGRESS {
                reported = since;
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

/// The stamp of a build: Go's version and these files of the module.
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

/// The output of a go command in a folder.
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

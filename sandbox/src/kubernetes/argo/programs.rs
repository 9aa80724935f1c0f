//! Argo's programs and manifests: taken from KUBEBUILDER_ASSETS if they are there, or else built once.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::copy::copy_module;
use crate::{
    host::work_folder::workspace_root,
    programs::{
        ASSETS, Error, Program,
        go_module::{self, GoBuild},
        lock,
    },
};

const CONTROLLER: Program = Program {
    name: "workflow-controller",
    package: "github.com/argoproj/argo-workflows/v4/cmd/workflow-controller",
};
const EXECUTOR: Program = Program {
    name: "argoexec",
    package: "github.com/argoproj/argo-workflows/v4/cmd/argoexec",
};
const CLI: Program = Program {
    name: "argo",
    package: "github.com/argoproj/argo-workflows/v4/cmd/argo",
};
const ALL: [Program; 3] = [CONTROLLER, EXECUTOR, CLI];
/// The folder of the module's manifests, in a folder of existing programs.
const MANIFESTS: &str = "argo-manifests";
const SIGNALS: &str = "signal_linux.go";

/// The folders with Argo's programs and its manifests.
#[derive(Debug, Clone)]
pub struct ArgoPrograms {
    programs: PathBuf,
    manifests: PathBuf,
}

impl ArgoPrograms {
    /// Finds the programs, or builds the missing ones (about four minutes, once); `progress` gets a line about every 10 s.
    ///
    /// # Errors
    /// See [`Error`]: each says what to do.
    pub fn find_or_build(progress: &mut dyn FnMut(&str)) -> Result<Self> {
        match std::env::var_os(ASSETS).map(PathBuf::from) {
            Some(folder) if folder.join(CONTROLLER.name).is_file() => Self::in_assets(&folder),
            // That folder has only the control plane's programs.
            _ => Self::build(&workspace_root(), progress),
        }
    }

    fn in_assets(folder: &Path) -> Result<Self> {
        let names = ALL.map(|it| it.name).into_iter().chain([MANIFESTS]);
        let missing: Vec<&str> = names.filter(|name| !folder.join(name).exists()).collect();
        if !missing.is_empty() {
            return Err(Error::Missing {
                folder: folder.to_path_buf(),
                missing: missing.join(", "),
            }
            .into());
        }
        Ok(Self {
            programs: folder.to_path_buf(),
            manifests: folder.join(MANIFESTS),
        })
    }

    /// The module's archive lacks files that its programs need, so they are built from a copy that contains ours.
    fn build(root: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let target = root.join("target").join("argo");
        let module = root.join("sandbox").join("argo");
        let _lock = lock(&target)?;
        let copy = target.join("module");
        let found = Self {
            programs: target.clone(),
            manifests: copy.join("manifests"),
        };
        let stamp = go_module::stamp(&module, &["go.mod", "go.sum", SIGNALS])?;
        let copied = target.join(".module.stamp");
        if !fs::read_to_string(&copied).is_ok_and(|old| old == stamp) {
            progress("downloading the Go module of Argo Workflows and its dependencies");
            copy_module(&module, SIGNALS, &copy)?;
            fs::write(&copied, &stamp)
                .with_context(|| format!("cannot write {}", copied.display()))?;
        }
        let build = GoBuild {
            modfile: Some(write_modfile(&module, &copy, &target)?),
            tags: "",
            ldflags: "-s -w".to_owned(),
            stamp,
            module,
            target,
        };
        build.build_missing(&ALL, progress)?;
        Ok(found)
    }

    /// The controller.
    #[must_use]
    pub fn controller(&self) -> PathBuf {
        self.programs.join(CONTROLLER.name)
    }

    /// The executor, which runs in every pod of Argo.
    #[must_use]
    pub fn executor(&self) -> PathBuf {
        self.programs.join(EXECUTOR.name)
    }

    /// The command line tool.
    #[must_use]
    pub fn cli(&self) -> PathBuf {
        self.programs.join(CLI.name)
    }

    /// The folder of Argo's own manifests.
    #[must_use]
    pub fn manifests(&self) -> &Path {
        &self.manifests
    }
}

/// Writes a go.mod next to the programs: the module's, with Argo's code replaced by the copy.
fn write_modfile(module: &Path, copy: &Path, target: &Path) -> Result<PathBuf> {
    let text = fs::read_to_string(module.join("go.mod")).context("cannot read go.mod")?;
    let replace = format!(
        "\nreplace github.com/argoproj/argo-workflows/v4 => {}\n",
        copy.display()
    );
    let modfile = target.join("go.mod");
    fs::write(&modfile, text + &replace)
        .with_context(|| format!("cannot write {}", modfile.display()))?;
    fs::copy(module.join("go.sum"), target.join("go.sum")).context("cannot copy go.sum")?;
    Ok(modfile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_what_is_missing_of_argo_in_a_folder_of_assets() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("workflow-controller"), "").unwrap();
        fs::write(folder.path().join("argo"), "").unwrap();
        let error = ArgoPrograms::in_assets(folder.path()).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("does not contain argoexec, argo-manifests"),
            "{error}"
        );
    }

    #[test]
    fn the_written_go_mod_differs_only_in_the_location_of_argos_code() {
        let folder = tempfile::tempdir().unwrap();
        let module = workspace_root().join("sandbox").join("argo");
        let modfile = write_modfile(&module, Path::new("/copy"), folder.path()).unwrap();
        let own = fs::read_to_string(module.join("go.mod")).unwrap();
        let written = fs::read_to_string(modfile).unwrap();
        let rest = written.strip_prefix(&own).unwrap();
        assert_eq!(
            rest.trim(),
            "replace github.com/argoproj/argo-workflows/v4 => /copy"
        );
    }
}

//! OpenTofu and tflint: taken from KUBEBUILDER_ASSETS if they are there, or else built once. Only the tests of `terraform/` use
//! them.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{
    host::work_folder::workspace_root,
    programs::{
        ASSETS, Program,
        go_module::{self, GoBuild},
        lock,
    },
};

const TOFU: Program = Program {
    name: "tofu",
    package: "github.com/opentofu/opentofu/cmd/tofu",
};
const TFLINT: Program = Program {
    name: "tflint",
    package: "github.com/terraform-linters/tflint",
};
/// Without it, OpenTofu reports a version for developers, and warns.
const RELEASE: &str = "-s -w -X github.com/opentofu/opentofu/version.dev=no";

/// The folders of the programs.
#[derive(Debug, Clone)]
pub struct TofuPrograms {
    tofu: PathBuf,
    tflint: PathBuf,
}

impl TofuPrograms {
    /// Finds the programs, or builds the missing ones (about five minutes, once); `progress` gets a line about every 10 s.
    ///
    /// # Errors
    /// Go is not installed, or a build fails.
    pub fn find_or_build(progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let module = workspace_root().join("sandbox").join("tofu");
        let assets = std::env::var_os(ASSETS).map(PathBuf::from);
        let assets = assets.as_deref();
        Ok(Self {
            tofu: found(assets, TOFU).map_or_else(|| build_tofu(&module, progress), Ok)?,
            tflint: found(assets, TFLINT).map_or_else(|| build_tflint(&module, progress), Ok)?,
        })
    }

    /// OpenTofu.
    #[must_use]
    pub fn tofu(&self) -> &Path {
        &self.tofu
    }

    /// The linter.
    #[must_use]
    pub fn tflint(&self) -> &Path {
        &self.tflint
    }
}

/// The folder of everything that is built for `terraform/`.
pub(crate) fn target() -> PathBuf {
    workspace_root().join("target").join("tofu")
}

fn found(assets: Option<&Path>, program: Program) -> Option<PathBuf> {
    let path = assets?.join(program.name);
    path.is_file().then_some(path)
}

fn build_tofu(module: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let build = GoBuild {
        stamp: go_module::stamp(module, &["go.mod", "go.sum"])?,
        module: module.to_path_buf(),
        modfile: None,
        tags: "",
        target: target(),
        ldflags: RELEASE.to_owned(),
    };
    build_one(&build, TOFU, progress)
}

fn build_tflint(module: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let build = GoBuild {
        stamp: go_module::stamp(module, &["tflint.mod", "tflint.sum"])?,
        module: module.to_path_buf(),
        modfile: Some(module.join("tflint.mod")),
        tags: "",
        target: target(),
        ldflags: "-s -w".to_owned(),
    };
    build_one(&build, TFLINT, progress)
}

fn build_one(build: &GoBuild, program: Program, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let _lock = lock(&build.target)?;
    build.build_missing(&[program], progress)?;
    Ok(build.target.join(program.name))
}

//! promtool, which checks metrics, alerts and their tests: taken from KUBEBUILDER_ASSETS if it is there, or else built once.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    host::work_folder::workspace_root,
    programs::{
        ASSETS, Program,
        go_module::{self, GoBuild},
        lock,
    },
};

const PROMTOOL: Program = Program {
    name: "promtool",
    package: "github.com/prometheus/prometheus/cmd/promtool",
};

/// Without service discovery it needs half of the packages.
const TAGS: &str = "remove_all_sd";

/// Finds promtool, or builds it (about four minutes of processor time, once); `progress` gets a line about every 10 s.
///
/// # Errors
/// Go is not installed, or the build fails.
pub fn find_or_build(progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let assets = std::env::var_os(ASSETS).map(PathBuf::from);
    let found = assets.map(|folder| folder.join(PROMTOOL.name));
    if let Some(promtool) = found.filter(|path| path.is_file()) {
        return Ok(promtool);
    }
    let module = workspace_root().join("sandbox").join("prometheus");
    let target = workspace_root().join("target").join("prometheus");
    let build = GoBuild {
        stamp: go_module::stamp(&module, &["go.mod", "go.sum"])? + TAGS,
        module,
        modfile: None,
        tags: TAGS,
        target,
        ldflags: "-s -w".to_owned(),
    };
    let _lock = lock(&build.target)?;
    build.build_missing(&[PROMTOOL], progress)?;
    Ok(build.target.join(PROMTOOL.name))
}

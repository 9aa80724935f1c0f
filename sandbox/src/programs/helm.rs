//! Helm, in both majors that are in use: taken from KUBEBUILDER_ASSETS if they are there, or else built once. Only the tests of
//! `charts/` use them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    host::work_folder::workspace_root,
    programs::{
        ASSETS, Program,
        go_module::{self, GoBuild},
        lock,
    },
};

/// Helm 3 and Helm 4, each with the go.mod that pins it.
const HELM: [(Program, &str, &str); 2] = [
    (
        Program {
            name: "helm3",
            package: "helm.sh/helm/v3/cmd/helm",
        },
        "helm3.mod",
        "helm3.sum",
    ),
    (
        Program {
            name: "helm4",
            package: "helm.sh/helm/v4/cmd/helm",
        },
        "go.mod",
        "go.sum",
    ),
];

/// Finds both, or builds the missing ones (about five minutes of processor time, once); `progress` gets a line about every 10 s.
///
/// # Errors
/// Go is not installed, or a build fails.
pub fn find_or_build(progress: &mut dyn FnMut(&str)) -> Result<[PathBuf; 2]> {
    let assets = std::env::var_os(ASSETS).map(PathBuf::from);
    let module = workspace_root().join("sandbox").join("helm");
    let target = workspace_root().join("target").join("helm");
    let mut programs = HELM.map(|(program, ..)| target.join(program.name));
    for (path, (program, modfile, sums)) in programs.iter_mut().zip(HELM) {
        let found = assets.as_deref().map(|folder| folder.join(program.name));
        if let Some(found) = found.filter(|path| path.is_file()) {
            *path = found;
            continue;
        }
        let ldflags = ldflags(&module.join(modfile))?;
        let build = GoBuild {
            stamp: go_module::stamp(&module, &[modfile, sums])? + &ldflags,
            module: module.clone(),
            modfile: Some(Path::new(&module).join(modfile)),
            tags: "",
            target: target.clone(),
            ldflags,
        };
        let _lock = lock(&build.target)?;
        build.build_missing(&[program], progress)?;
    }
    Ok(programs)
}

/// Linker flags with the version of Kubernetes that charts are rendered for unless told otherwise. Helm 4 finds it out itself.
fn ldflags(modfile: &Path) -> Result<String> {
    let text = fs::read_to_string(modfile)
        .with_context(|| format!("cannot read {}", modfile.display()))?;
    let mut requirements = text.lines().map(str::trim);
    let version = requirements.find_map(|line| line.strip_prefix("k8s.io/client-go v0."));
    let minor = version.and_then(|version| version.split('.').next());
    let minor = minor.context("Helm's go.mod does not require k8s.io/client-go")?;
    let of = ["chartutil", "lint/rules"].map(|package| {
        let of = format!("helm.sh/helm/v3/pkg/{package}.k8sVersion");
        format!(" -X {of}Major=1 -X {of}Minor={minor}")
    });
    Ok(format!("-s -w{}", of.concat()))
}

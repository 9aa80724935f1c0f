//! The programs of the control plane: taken from KUBEBUILDER_ASSETS, or built once from our own Go module.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    host::work_folder::workspace_root,
    programs::{
        ASSETS, Error, Program,
        go_module::{self, GoBuild},
        lock,
    },
};

pub mod versions;

/// The database of the API server.
pub const ETCD: Program = Program {
    name: "etcd",
    package: "go.etcd.io/etcd/server/v3",
};
/// The API server.
pub const KUBE_APISERVER: Program = Program {
    name: "kube-apiserver",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
};
/// The controllers of Jobs, Deployments, namespaces, tokens and so on.
pub const KUBE_CONTROLLER_MANAGER: Program = Program {
    name: "kube-controller-manager",
    package: "k8s.io/kubernetes/cmd/kube-controller-manager",
};
/// Places pods on nodes.
pub const KUBE_SCHEDULER: Program = Program {
    name: "kube-scheduler",
    package: "k8s.io/kubernetes/cmd/kube-scheduler",
};
/// The command line tool that installs manifests.
pub const KUBECTL: Program = Program {
    name: "kubectl",
    package: "k8s.io/kubernetes/cmd/kubectl",
};
/// Cloud Storage's API without its permissions.
pub const FAKE_GCS_SERVER: Program = Program {
    name: "fake-gcs-server",
    package: "github.com/fsouza/fake-gcs-server",
};

/// Every program of the Go module, in the order in which they are built.
pub const ALL: [Program; 6] = [
    ETCD,
    KUBE_APISERVER,
    KUBE_CONTROLLER_MANAGER,
    KUBE_SCHEDULER,
    KUBECTL,
    FAKE_GCS_SERVER,
];

/// A folder with the programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Finds all programs, or builds the missing ones; `progress` gets a line about every 10 s meanwhile.
    ///
    /// # Errors
    /// See [`Error`]: each says what to do.
    pub fn find_or_build(progress: &mut dyn FnMut(&str)) -> Result<Self> {
        match std::env::var_os(ASSETS) {
            Some(folder) if !folder.is_empty() => Self::in_assets(Path::new(&folder), &ALL),
            _ => Self::build(&workspace_root(), progress),
        }
    }

    /// Takes the programs from a folder that the user named.
    ///
    /// # Errors
    /// One of `needed` is missing there.
    pub fn in_assets(folder: &Path, needed: &[Program]) -> Result<Self> {
        let missing: Vec<&str> = needed
            .iter()
            .filter(|it| !folder.join(it.name).is_file())
            .map(|it| it.name)
            .collect();
        if !missing.is_empty() {
            return Err(Error::Missing {
                folder: folder.to_path_buf(),
                missing: missing.join(", "),
            }
            .into());
        }
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    /// The path of a program.
    #[must_use]
    pub fn path(&self, program: Program) -> PathBuf {
        self.folder.join(program.name)
    }

    /// The folder of all of them.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The minor version of the API server. A program that does not say it is `None`: when it is started, its log says more.
    #[must_use]
    pub fn minor_version(&self) -> Option<u32> {
        let asked = Command::new(self.path(KUBE_APISERVER))
            .arg("--version")
            .output();
        let said = String::from_utf8(asked.ok()?.stdout).ok()?;
        let version = said.trim().strip_prefix("Kubernetes v1.")?;
        version.split('.').next()?.parse().ok()
    }

    fn build(root: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let folder = root.join("target").join("control-plane");
        let module = root.join("sandbox").join("control-plane");
        let _lock = lock(&folder)?;
        let build = GoBuild {
            ldflags: ldflags(&module.join("go.mod"))?,
            stamp: go_module::stamp(&module, &["go.mod", "go.sum"])?,
            module,
            modfile: None,
            tags: "",
            target: folder.clone(),
        };
        build.build_missing(&ALL, progress)?;
        Ok(Self { folder })
    }
}

/// Linker flags with the version; without them the API server reports v0.0.0.
fn ldflags(modfile: &Path) -> Result<String> {
    let version = kubernetes_version(modfile)?;
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let of = "k8s.io/component-base/version.git";
    Ok(format!(
        "-s -w -X {of}Version={version} -X {of}Major={major} -X {of}Minor={minor}"
    ))
}

/// The version that a go.mod requires, as `v1.36.3`.
fn kubernetes_version(modfile: &Path) -> Result<String> {
    let text = fs::read_to_string(modfile)
        .with_context(|| format!("cannot read {}", modfile.display()))?;
    let version = version_in(&text).map(str::to_owned);
    version.with_context(|| format!("{} does not require k8s.io/kubernetes", modfile.display()))
}

fn version_in(go_mod: &str) -> Option<&str> {
    go_mod.lines().find_map(|line| {
        line.trim()
            .strip_prefix("k8s.io/kubernetes ")?
            .split_whitespace()
            .next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_programs_that_are_missing_in_a_folder_of_assets() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("etcd"), "").unwrap();
        let error = Binaries::in_assets(folder.path(), &[ETCD, KUBECTL])
            .unwrap_err()
            .to_string();
        assert!(error.contains("does not contain kubectl:"), "{error}");
        fs::write(folder.path().join("kubectl"), "").unwrap();
        Binaries::in_assets(folder.path(), &[ETCD, KUBECTL]).unwrap();
    }

    #[test]
    fn the_api_server_reports_the_version_of_the_go_module() {
        let module = workspace_root().join("sandbox").join("control-plane");
        let flags = ldflags(&module.join("go.mod")).unwrap();
        assert!(
            flags.contains("gitVersion=v1.") && flags.contains("gitMajor=1 "),
            "{flags}"
        );
        assert_eq!(
            version_in("require (\n\tk8s.io/kubernetes v1.2.3 // indirect\n)"),
            Some("v1.2.3")
        );
        assert_eq!(version_in("module x"), None);
    }
}

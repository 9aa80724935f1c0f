//! Older versions of Kubernetes, each pinned by a go.mod of its own beside that of the newest: `make versions` runs tests on them.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use anyhow::{Context, Result, ensure};

use super::{
    ALL, Binaries, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER, kubernetes_version,
    ldflags,
};
use crate::{
    host::work_folder::workspace_root,
    programs::{
        Program,
        go_module::{self, GoBuild},
        lock,
    },
};

/// What each version has of its own. All versions share the rest.
const OWN: [Program; 3] = [KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER];
/// The go.mod of the newest version.
const NEWEST: &str = "go";

/// The older versions, as `1.33` with `v1.33.13`, the oldest first.
///
/// # Errors
/// The folder of go.mod files cannot be read.
pub fn older() -> Result<Vec<(String, String)>> {
    let folder = module();
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_some_and(|it| it == "mod") && name != NEWEST {
            found.push((name.into_owned(), kubernetes_version(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

/// The version that all other tests run on, as `v1.36.3`.
///
/// # Errors
/// Its go.mod cannot be read.
pub fn newest() -> Result<String> {
    kubernetes_version(&module().join(NEWEST).with_extension("mod"))
}

/// Builds what is missing of an older version into `target/control-plane-VERSION`, with links to the programs that all versions
/// share; `progress` gets a line about every 10 s.
///
/// # Errors
/// No go.mod pins this version, Go is not installed, or a build fails.
pub fn find_or_build(version: &str, progress: &mut dyn FnMut(&str)) -> Result<Binaries> {
    let pinned: Vec<String> = older()?.into_iter().map(|(name, _)| name).collect();
    ensure!(
        pinned.iter().any(|name| name == version),
        "no file of sandbox/control-plane pins Kubernetes {version:?}: there is one for {}",
        pinned.join(", ")
    );
    let shared = Binaries::build(&workspace_root(), progress)?;
    let module = module();
    let [modfile, sums] = ["mod", "sum"].map(|end| format!("{version}.{end}"));
    let folder = workspace_root()
        .join("target")
        .join(format!("control-plane-{version}"));
    let _lock = lock(&folder)?;
    let build = GoBuild {
        ldflags: ldflags(&module.join(&modfile))?,
        stamp: go_module::stamp(&module, &[&modfile, &sums])?,
        modfile: Some(module.join(&modfile)),
        module,
        tags: "",
        target: folder.clone(),
    };
    build.build_missing(&OWN, progress)?;
    for program in ALL.into_iter().filter(|program| !OWN.contains(program)) {
        let link = folder.join(program.name);
        let _ = fs::remove_file(&link);
        symlink(shared.path(program), &link)
            .with_context(|| format!("cannot create {}", link.display()))?;
    }
    Binaries::in_assets(&folder, &ALL)
}

fn module() -> PathBuf {
    workspace_root().join("sandbox").join("control-plane")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_pins_the_version_of_its_name_and_all_are_older_than_the_newest() {
        let older = older().unwrap();
        assert!(!older.is_empty());
        let newest = newest().unwrap();
        for (name, version) in older {
            assert!(
                version.starts_with(&format!("v{name}.")),
                "{name}: {version}"
            );
            assert!(version < newest, "{version} and {newest}");
        }
    }

    #[test]
    fn a_version_that_no_file_pins_is_refused_with_those_that_are() {
        for version in ["1.2", "go", "../1.33", ""] {
            let error = find_or_build(version, &mut |_| ()).unwrap_err().to_string();
            assert!(error.contains("there is one for 1.33"), "{error}");
        }
    }
}

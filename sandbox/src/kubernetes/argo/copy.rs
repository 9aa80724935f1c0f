//! A copy of Argo's Go module that compiles on Linux: the files that the build needs, and ours for those missing in its archive.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::programs::go_module::go;

const ARGO: &str = "github.com/argoproj/argo-workflows/v4";
/// `argo server` embeds the user interface, which is missing in the archive; it is never started here.
const PAGE: &str = "ui/dist/app/index.html";

/// Downloads the module that `module` requires and copies it to `copy`, with `signals` (a file of `module`) as the Linux part of
/// `workflow/executor/osspecific`.
pub(super) fn copy_module(module: &Path, signals: &str, copy: &Path) -> Result<()> {
    go(module, &["mod", "download"])?;
    let original = go(module, &["list", "-m", "-f", "{{.Dir}}", ARGO])?;
    let original = Path::new(original.trim());
    if copy.exists() {
        fs::remove_dir_all(copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    }
    copy_folder(original, original, copy)?;
    write(
        &copy.join("workflow/executor/osspecific").join(signals),
        &fs::read(module.join(signals)).with_context(|| format!("cannot read {signals}"))?,
    )?;
    write(
        &copy.join(PAGE),
        b"the user interface is not part of the Go module\n",
    )
}

fn copy_folder(root: &Path, folder: &Path, copy: &Path) -> Result<()> {
    let read = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(read)? {
        let entry = entry.with_context(read)?;
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(&path);
        if entry.file_type().with_context(read)?.is_dir() {
            copy_folder(root, &path, copy)?;
        } else if is_needed(name) {
            // Written, not copied: files of Go's module cache are read-only.
            let bytes = fs::read(&path).with_context(read)?;
            write(&copy.join(name), &bytes)?;
        }
    }
    Ok(())
}

/// Code, the files that it embeds, and manifests; no tests or documents.
fn is_needed(name: &Path) -> bool {
    let text = name.to_string_lossy();
    let is_code = text.ends_with(".go") && !text.ends_with("_test.go");
    is_code
        || text == "go.mod"
        || text == "util/telemetry/builder/values.yaml"
        || name.starts_with("manifests")
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_manifests_are_copied_and_nothing_else() {
        for (name, expected) in [
            ("go.mod", true),
            ("cmd/argoexec/main.go", true),
            ("cmd/argoexec/main_test.go", false),
            ("manifests/base/crds/full/kustomization.yaml", true),
            ("docs/README.md", false),
            ("sdks/python/go.mod", false),
        ] {
            assert_eq!(is_needed(Path::new(name)), expected, "{name}");
        }
    }
}

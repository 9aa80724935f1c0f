//! Packing: the digests depend on the programs only, and what cannot run from an image is refused.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use namesake_images::plugin;
use namesake_sandbox::host::work_folder::workspace_root;
use namesake_tests::stack::program::built;
use serde_json::Value;

use crate::{IMAGES, PLATFORM, in_workspace, output, target, text};

/// The folder of the plugin's archive and manifest, in the folder that is packed into.
const ARCHIVES: &str = "archives";

/// Packs programs and SBOMs as `make images` does.
fn pack(programs: &Path, sboms: &Path, out: &Path) -> Result<Command> {
    let mut log = in_workspace("git");
    log.args(["log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"]);
    let commit = text(log.arg("--format=%H %ct %cd").env("TZ", "UTC"))?;
    let words: Vec<&str> = commit.split(' ').collect();
    let &[revision, seconds, created] = words.as_slice() else {
        bail!("git log printed {commit:?}");
    };
    let mut command = Command::new(release()?.join("namesake-images"));
    command.arg("--programs").arg(programs);
    command.arg("--sboms").arg(sboms);
    command.arg("--out").arg(out);
    command.arg("--archives").arg(out.join(ARCHIVES));
    command
        .arg("--license")
        .arg(workspace_root().join("LICENSE"));
    command.args(["--revision", revision, "--seconds", seconds]);
    command.args(["--created", created]);
    Ok(command)
}

/// The folder of the programs that `make build` builds, which are not static.
fn debug() -> Result<PathBuf> {
    let program = PathBuf::from(built("namesake-images")?.get_program());
    let folder = program.parent().context("a program is in a folder")?;
    Ok(folder.to_path_buf())
}

/// The folder of the programs that are in the images.
fn release() -> Result<PathBuf> {
    Ok(debug()?.join("..").join(PLATFORM).join("release"))
}

fn digests(layout: &Path) -> Result<Vec<Value>> {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let manifests = index["manifests"].as_array().context("no manifests")?;
    Ok(manifests
        .iter()
        .map(|manifest| manifest["digest"].clone())
        .collect())
}

#[test]
fn the_same_programs_packed_in_another_folder_have_the_same_digests() -> Result<()> {
    let elsewhere = tempfile::tempdir()?;
    let folder = |name: &str| elsewhere.path().join(name);
    for name in ["programs", "sboms"] {
        fs::create_dir(folder(name))?;
    }
    for (_, program, _) in IMAGES {
        let sbom = format!("{program}.cdx.json");
        fs::copy(release()?.join(program), folder("programs").join(program))?;
        fs::copy(target("sbom").join(&sbom), folder("sboms").join(&sbom))?;
    }
    output(
        pack(&folder("programs"), &folder("sboms"), &folder("out"))?.current_dir(elsewhere.path()),
    )?;
    for (image, ..) in IMAGES {
        let (here, there) = (
            digests(&target("images").join(image))?,
            digests(&folder("out").join(image))?,
        );
        ensure!(here == there, "{image}: {here:?} here, {there:?} elsewhere");
        ensure!(here.len() == 2, "{image} has no SBOM: {here:?}");
    }
    for file in [plugin::ARCHIVE, plugin::MANIFEST] {
        let (here, there) = (target(ARCHIVES), folder("out").join(ARCHIVES));
        let same = fs::read(here.join(file))? == fs::read(there.join(file))?;
        ensure!(same, "{file} differs");
    }
    Ok(())
}

#[test]
fn a_program_that_needs_a_dynamic_loader_is_not_packed() -> Result<()> {
    let out = tempfile::tempdir()?;
    // Built without the flags of `make images`.
    let output = pack(&debug()?, &target("sbom"), out.path())?.output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "it was packed");
    ensure!(
        error.contains("namesake-webhook is linked dynamically"),
        "{error}"
    );
    ensure!(
        fs::read_dir(out.path())?.next().is_none(),
        "a layout was written"
    );
    Ok(())
}

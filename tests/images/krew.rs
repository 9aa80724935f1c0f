//! The plugin of `make images`: krew installs it, and kubectl finds it.

use std::process::Command;

use anyhow::{Result, ensure};
use namesake_images::plugin::{ARCHIVE, MANIFEST, PROGRAM};
use namesake_sandbox::programs::kubernetes::{Binaries, KUBECTL};

use crate::{VERSION, output, target, text, tool};

#[test]
fn krew_installs_the_plugin_from_its_archive_and_kubectl_runs_it() -> Result<()> {
    let root = tempfile::tempdir()?;
    let mut krew = Command::new(tool("oci/krew")?);
    krew.env("KREW_ROOT", root.path()).arg("install");
    let folder = target("archives");
    let manifest = format!("--manifest={}", folder.join(MANIFEST).display());
    let archive = format!("--archive={}", folder.join(ARCHIVE).display());
    output(krew.args([&manifest, &archive]))?;

    let programs = Binaries::find_or_build(&mut |line| println!("{line}"))?;
    let mut kubectl = Command::new(programs.path(KUBECTL));
    kubectl.env("PATH", root.path().join("bin"));
    let version = text(kubectl.args(["namesake", "--version"]))?;
    ensure!(version == format!("{PROGRAM} {VERSION}"), "{version}");
    Ok(())
}

#[test]
fn krew_refuses_an_archive_that_was_changed() -> Result<()> {
    let root = tempfile::tempdir()?;
    let archive = root.path().join(ARCHIVE);
    let mut bytes = std::fs::read(target("archives").join(ARCHIVE))?;
    bytes.push(0);
    std::fs::write(&archive, bytes)?;
    let mut krew = Command::new(tool("oci/krew")?);
    krew.env("KREW_ROOT", root.path()).arg("install");
    krew.arg(format!(
        "--manifest={}",
        target("archives").join(MANIFEST).display()
    ));
    krew.arg(format!("--archive={}", archive.display()));
    let refused = krew.output()?;
    let error = String::from_utf8_lossy(&refused.stderr);
    ensure!(
        !refused.status.success() && error.contains("checksum"),
        "{error}"
    );
    Ok(())
}

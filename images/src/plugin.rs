//! `kubectl namesake` as an archive that krew installs, and its manifest for krew.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use tar::Builder;

use crate::{
    layer::{add, compressed},
    layout::digest,
};

/// The program of the plugin. kubectl finds it by its name.
pub const PROGRAM: &str = "kubectl-namesake";
/// The archive: the program and the license.
pub const ARCHIVE: &str = "kubectl-namesake-linux-amd64.tar.gz";
/// krew's manifest.
pub const MANIFEST: &str = "namesake.yaml";

/// What is in the archive.
#[derive(Clone, Copy, Debug)]
pub struct Plugin<'a> {
    /// The static program.
    pub binary: &'a [u8],
    /// The text of the license.
    pub license: &'a [u8],
    /// The version of the program, as `0.1.0`.
    pub version: &'a str,
    /// The time of its commit, in seconds since 1970.
    pub seconds: u64,
}

/// Writes [`ARCHIVE`] and [`MANIFEST`] into a folder, which it creates. Returns the digest of the archive.
///
/// # Errors
/// A file cannot be written.
pub fn write(plugin: &Plugin<'_>, folder: &Path) -> Result<String> {
    let mut archive = Builder::new(Vec::new());
    let seconds = plugin.seconds;
    add(
        &mut archive,
        "LICENSE",
        Some((plugin.license, 0o644)),
        seconds,
    )?;
    add(&mut archive, PROGRAM, Some((plugin.binary, 0o755)), seconds)?;
    let archive = compressed(&archive.into_inner()?)?;
    let digest = digest(&archive);
    let manifest = include_str!("../krew.yaml")
        .replace("VERSION", plugin.version)
        .replace("ARCHIVE", ARCHIVE)
        .replace("SHA256", digest.trim_start_matches("sha256:"))
        .replace("PROGRAM", PROGRAM);
    let place = || format!("cannot write into {}", folder.display());
    fs::create_dir_all(folder).with_context(place)?;
    fs::write(folder.join(ARCHIVE), archive).with_context(place)?;
    fs::write(folder.join(MANIFEST), manifest).with_context(place)?;
    Ok(digest)
}

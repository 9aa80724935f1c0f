//! The Helm chart as `helm push` writes it to a registry, and as an archive.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tar::Builder;

use crate::{
    layer::{add, compressed},
    layout::{Layout, digest},
};

/// The name of the chart.
pub const NAME: &str = "namesake";
/// The media type of the chart's metadata (<https://helm.sh/docs/topics/registries/>).
const METADATA: &str = "application/vnd.cncf.helm.config.v1+json";
/// The media type of the archive.
const ARCHIVE: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// What the chart is made of.
#[derive(Clone, Copy, Debug)]
pub struct Chart<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// The version of the programs, which has to be the chart's.
    pub version: &'a str,
    /// The time of the commit, in seconds since 1970 and as text.
    pub created: (u64, &'a str),
}

/// Writes the chart as a layout, and its archive `namesake-VERSION.tgz` into a folder, which it creates. Returns the digest of the
/// archive.
///
/// # Errors
/// The chart has another version, or a file cannot be read or written.
pub fn write(chart: &Chart<'_>, layout: &Path, archives: &Path) -> Result<String> {
    let metadata = metadata(chart)?;
    let archive = compressed(&archive(chart)?)?;
    let mut layout = Layout::create(layout)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": layout.blob(METADATA, &serde_json::to_vec(&metadata)?)?,
        "layers": [layout.blob(ARCHIVE, &archive)?],
        "annotations": {
            "org.opencontainers.image.created": chart.created.1,
            "org.opencontainers.image.title": NAME,
            "org.opencontainers.image.version": chart.version,
        },
    });
    layout.manifest(&manifest, Some(chart.version))?;
    layout.finish()?;
    let place = || format!("cannot write into {}", archives.display());
    fs::create_dir_all(archives).with_context(place)?;
    let name = format!("{NAME}-{}.tgz", chart.version);
    fs::write(archives.join(name), &archive).with_context(place)?;
    Ok(digest(&archive))
}

/// What `Chart.yaml` says.
fn metadata(chart: &Chart<'_>) -> Result<Value> {
    let path = chart.folder.join("Chart.yaml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let metadata: Value = serde_saphyr::from_str(&text)?;
    for key in ["version", "appVersion"] {
        ensure!(
            metadata[key] == chart.version,
            "{}: {key} is {}, and the programs have version {}: write it there",
            path.display(),
            metadata[key],
            chart.version
        );
    }
    Ok(metadata)
}

fn archive(chart: &Chart<'_>) -> Result<Vec<u8>> {
    let mut paths = Vec::new();
    files(chart.folder, &mut paths)?;
    // The order and the content depend on nothing else.
    paths.sort();
    let mut archive = Builder::new(Vec::new());
    for path in paths {
        let name = path.strip_prefix(chart.folder)?;
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = format!("{NAME}/{}", name.display());
        add(
            &mut archive,
            &name,
            Some((&content, 0o644)),
            chart.created.0,
        )?;
    }
    Ok(archive.into_inner()?)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let place = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(place)? {
        let path = entry.with_context(place)?.path();
        match path.is_dir() {
            true => files(&path, found)?,
            false => found.push(path),
        }
    }
    Ok(())
}

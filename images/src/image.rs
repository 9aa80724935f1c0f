//! An image: its layer, its configuration and its SBOM.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    layer::{archive, compressed},
    layout::{Layout, digest},
};

/// The largest compressed image.
pub const MAX_BYTES: usize = 25_000_000;
/// The user and group of every program, as in `manifests/`.
pub const USER: &str = "65532:65532";
/// What the SBOM is: scanners look for this type among the referrers of an image.
pub const SBOM_TYPE: &str = "application/vnd.cyclonedx+json";

/// What an image is made of.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// The name of the program.
    pub program: &'a str,
    /// The static program.
    pub binary: &'a [u8],
    /// Its software bill of materials, in CycloneDX's JSON.
    pub sbom: &'a [u8],
    /// The version, which is also the tag.
    pub version: &'a str,
    /// The commit that it was built from.
    pub revision: &'a str,
    /// The time of that commit, in seconds and as text.
    pub created: (u64, &'a str),
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The digest of the image.
    pub digest: String,
    /// The digest of the manifest of its SBOM.
    pub sbom: String,
    /// The compressed size.
    pub bytes: usize,
}

/// Writes an image and its SBOM as a layout.
///
/// # Errors
/// The folder cannot be written.
pub fn write(contents: &Contents<'_>, folder: &Path) -> Result<Written> {
    let mut layout = Layout::create(folder)?;
    let archive = archive(contents.program, contents.binary, contents.created.0)?;
    let layer = compressed(&archive)?;
    let config = serde_json::to_vec(&config(contents, &digest(&archive)))?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": layout.blob("application/vnd.oci.image.config.v1+json", &config)?,
        "layers": [layout.blob("application/vnd.oci.image.layer.v1.tar+gzip", &layer)?],
        "annotations": labels(contents),
    });
    let image = layout.manifest(&manifest, Some(contents.version))?;
    let sbom = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": SBOM_TYPE,
        "config": layout.blob("application/vnd.oci.empty.v1+json", b"{}")?,
        "layers": [layout.blob(SBOM_TYPE, contents.sbom)?],
        "subject": image,
        "annotations": {"org.opencontainers.image.created": contents.created.1},
    });
    let sbom = layout.manifest(&sbom, None)?;
    layout.finish()?;
    let text = |descriptor: &Value| descriptor["digest"].as_str().unwrap_or_default().to_owned();
    Ok(Written {
        digest: text(&image),
        sbom: text(&sbom),
        bytes: layer.len() + config.len(),
    })
}

fn config(contents: &Contents<'_>, layer: &str) -> Value {
    json!({
        "created": contents.created.1,
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": USER,
            "Env": ["PATH=/usr/local/bin"],
            "Entrypoint": [contents.program],
            "Labels": labels(contents),
        },
        "rootfs": {"type": "layers", "diff_ids": [layer]},
        "history": [{"created": contents.created.1, "created_by": "make images"}],
    })
}

fn labels(contents: &Contents<'_>) -> Value {
    json!({
        "org.opencontainers.image.created": contents.created.1,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.revision": contents.revision,
        "org.opencontainers.image.title": contents.program,
        "org.opencontainers.image.version": contents.version,
    })
}

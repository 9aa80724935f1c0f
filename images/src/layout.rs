//! An OCI image layout: a folder with blobs, named by their digest, and an index.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// `sha256:` and the hash of a blob.
#[must_use]
pub fn digest(content: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(content)))
}

/// A layout that is written anew.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    manifests: Vec<Value>,
}

impl Layout {
    /// Creates an empty layout, and deletes what was in the folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(folder: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot delete {}", folder.display()))?;
        }
        let blobs = folder.join("blobs").join("sha256");
        fs::create_dir_all(&blobs).with_context(|| format!("cannot create {}", blobs.display()))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            manifests: Vec::new(),
        })
    }

    /// Writes a blob, and returns its descriptor.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn blob(&self, media_type: &str, content: &[u8]) -> Result<Value> {
        let digest = digest(content);
        let path = self.folder.join("blobs").join(digest.replace(':', "/"));
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(json!({"mediaType": media_type, "digest": digest, "size": content.len()}))
    }

    /// Writes a manifest, and returns its descriptor; `tag` is its name in the index.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn manifest(&mut self, manifest: &Value, tag: Option<&str>) -> Result<Value> {
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let descriptor = self.blob(media_type, &serde_json::to_vec(manifest)?)?;
        let mut entry = descriptor.clone();
        if let Some(tag) = tag {
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        }
        if let Some(kind) = manifest.get("artifactType") {
            entry["artifactType"] = kind.clone();
        }
        self.manifests.push(entry);
        Ok(descriptor)
    }

    /// Writes the index.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(self) -> Result<()> {
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index =
            json!({"schemaVersion": 2, "mediaType": media_type, "manifests": self.manifests});
        let version = json!({"imageLayoutVersion": "1.0.0"});
        for (name, content) in [("index.json", index), ("oci-layout", version)] {
            let path = self.folder.join(name);
            fs::write(&path, content.to_string())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

//! The CRDs of the Prometheus operator, from its Go module. Only the tests use them; nothing is built.

use std::path::PathBuf;

use anyhow::Result;

use crate::{host::work_folder::workspace_root, programs::go_module::go};

const MODULE: &str = "github.com/prometheus-operator/prometheus-operator";

/// The folder of the CRDs, which are downloaded on their first use.
///
/// # Errors
/// Go is not installed, or cannot download the module.
pub fn crds() -> Result<PathBuf> {
    let folder = workspace_root().join("sandbox/prometheus/operator");
    go(&folder, &["mod", "download", MODULE])?;
    let args = ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", MODULE];
    let module = PathBuf::from(go(&folder, &args)?.trim());
    Ok(module.join("example/prometheus-operator-crd"))
}

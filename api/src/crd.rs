//! The CustomResourceDefinition, as `manifests/cluster/crd.yaml` holds it.

use kube::CustomResourceExt;

use crate::Identity;

/// The text of `manifests/cluster/crd.yaml`.
///
/// # Errors
/// When the definition cannot be written as YAML.
pub fn crd_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let text = serde_saphyr::to_string(&Identity::crd())?;
    Ok(format!(
        "# Written by `cargo run -p namesake-api --bin namesake-crd`. Do not edit.\n{text}"
    ))
}

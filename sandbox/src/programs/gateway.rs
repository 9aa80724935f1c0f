//! What runs around our gateway: Envoy, and Node.js with an OpenID provider and a browser, installed pinned into `target/envoy` and
//! `target/oidc`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{
    host::work_folder::workspace_root,
    programs::{node::Node, python::Python},
};

/// The programs.
#[derive(Debug, Clone)]
pub struct GatewayPrograms {
    /// Envoy.
    pub envoy: PathBuf,
    /// Node.js with the packages of `sandbox/oidc`.
    pub node: Node,
    /// The Python environment with the metadata service.
    pub python: Python,
}

impl GatewayPrograms {
    /// Finds or installs them.
    ///
    /// # Errors
    /// There is no Python 3, or a package cannot be installed.
    pub fn find_or_install(progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let pins = Path::new("sandbox/envoy");
        let environment = Python::environment(Path::new("envoy"), pins, progress)?;
        let target = workspace_root().join("target").join("oidc");
        let title = "installing an OpenID provider and a browser into target/oidc";
        let node = Node::install(&environment, &scripts(), &target, title, progress)?;
        Ok(Self {
            envoy: environment.bin().join("envoy"),
            node,
            python: Python::find_or_install(progress)?,
        })
    }

    /// A copy of a script of `sandbox/oidc` next to the packages that it imports: Node.js looks for them beside the script.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn script(&self, name: &str) -> Result<PathBuf> {
        let copy = self.node.folder.join(name);
        let text = std::fs::read(scripts().join(name))?;
        // Not while a process that started before reads it.
        if std::fs::read(&copy).is_ok_and(|present| present == text) {
            return Ok(copy);
        }
        let new = self
            .node
            .folder
            .join(format!("{name}.{}", std::process::id()));
        std::fs::write(&new, text)?;
        std::fs::rename(&new, &copy)?;
        Ok(copy)
    }
}

fn scripts() -> PathBuf {
    workspace_root().join("sandbox").join("oidc")
}

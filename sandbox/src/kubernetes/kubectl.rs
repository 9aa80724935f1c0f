//! kubectl, run as the cluster's admin.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::{ControlPlane, kubernetes::users::ADMIN, programs::kubernetes::KUBECTL};

/// kubectl with the admin's kubeconfig.
#[derive(Debug)]
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// The admin of this control plane.
    pub(crate) fn of_admin(control_plane: &ControlPlane) -> Self {
        Self {
            program: control_plane.binaries().path(KUBECTL),
            kubeconfig: control_plane.kubeconfig(ADMIN),
        }
    }

    /// Runs it, and returns its output. Blocks.
    ///
    /// # Errors
    /// It fails: the message has its error output.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String> {
        let output = Command::new(&self.program)
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .output();
        let output = output.with_context(|| format!("cannot start {}", self.program.display()))?;
        if !output.status.success() {
            bail!(
                "kubectl {} failed:\n{}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

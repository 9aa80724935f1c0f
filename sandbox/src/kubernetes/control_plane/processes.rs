//! The processes of the control plane, and the restart of the API server.

use std::path::Path;

use anyhow::Result;

use super::{ControlPlane, STOP_GRACE, commands};
use crate::{
    host::children::{Child, Children, Launch},
    programs::kubernetes::{KUBE_APISERVER, KUBE_SCHEDULER},
};

/// A process, and how it was started.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) launch: Launch,
    pub(super) child: Child,
}

impl Process {
    fn is_api_server(&self) -> bool {
        self.launch.name == KUBE_APISERVER.name
    }
}

impl ControlPlane {
    /// The names of its programs, with their process ids.
    #[must_use]
    pub fn programs(&self) -> Vec<(String, i32)> {
        let all = self.processes();
        all.iter()
            .map(|p| (p.launch.name.clone(), p.child.pid()))
            .collect()
    }

    /// Starts kube-scheduler among these children. It is started with the first node, because without one it could only write
    /// on each pod that there is none.
    ///
    /// # Errors
    /// The process cannot be started.
    pub(crate) fn start_scheduler(&self, children: &Children, logs: &Path) -> Result<Child> {
        let path = self.binaries.path(KUBE_SCHEDULER);
        let args = commands::scheduler(&self.kubeconfigs);
        children.spawn(&Launch::new(KUBE_SCHEDULER.name, &path, args, logs))
    }

    /// Stops only the API server, as an upgrade of the control plane does; the stored data stays.
    pub async fn stop_api_server(&self) {
        let found = self.processes().iter().find(|p| p.is_api_server()).cloned();
        if let Some(process) = found {
            process.child.stop(STOP_GRACE).await;
        }
    }

    /// Starts the API server again, at the same address, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready within 90 s: the message has the end of its log.
    pub async fn start_api_server(&self) -> Result<()> {
        for process in self.processes().iter_mut().filter(|p| p.is_api_server()) {
            process.child = self.children.spawn(&process.launch)?;
        }
        self.answers().await
    }
}

//! A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager, as ordinary processes.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use kube::Client;

use self::{processes::Process, start::random_ports};
use crate::{
    ISSUER, WorkFolder,
    host::children::Children,
    kubernetes::users::{self, ADMIN},
    programs::kubernetes::Binaries,
};

mod commands;
mod keys;
mod namespaces;
mod processes;
mod start;

const START_LIMIT: Duration = Duration::from_secs(90);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const STOP_GRACE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);
const FIELD_MANAGER: &str = "namesake-sandbox";

/// A running control plane. Dropping it kills its processes; [`ControlPlane::stop`] shuts them down in order.
///
/// It holds no tokio task: it can be started in one runtime and used from others. Clients belong to the runtime in which they
/// are created.
#[derive(Debug)]
pub struct ControlPlane {
    server: String,
    etcd: String,
    ca_pem: String,
    kubeconfigs: PathBuf,
    audit_log: PathBuf,
    binaries: Binaries,
    processes: Mutex<Vec<Process>>,
    children: Children,
}

impl ControlPlane {
    /// Starts a control plane whose files are in the folder, and waits until it is ready (about 4 s).
    ///
    /// Programs that are missing are built first (minutes); progress is logged.
    ///
    /// # Errors
    /// A program is not available, or does not become ready within 90 s: the message has the end of the logs.
    pub async fn start(folder: &WorkFolder) -> Result<Self> {
        Self::start_as(folder, ISSUER).await
    }

    /// Like [`ControlPlane::start`], with the token issuer of another cluster.
    ///
    /// # Errors
    /// See [`ControlPlane::start`].
    pub async fn start_as(folder: &WorkFolder, issuer: &str) -> Result<Self> {
        let find = || Binaries::find_or_build(&mut |line| tracing::info!("{line}"));
        let binaries = tokio::task::spawn_blocking(find)
            .await
            .context("the build of the control plane was interrupted")??;
        Self::start_with(folder, binaries, issuer, &mut random_ports).await
    }

    /// Waits until `holds`, as long as all processes run.
    async fn until<F: Future<Output = bool>>(
        &self,
        what: &str,
        holds: impl Fn() -> F,
    ) -> Result<()> {
        let start = Instant::now();
        // With a timeout, because something else may listen on our port and never answer.
        while !tokio::time::timeout(ANSWER_LIMIT, holds())
            .await
            .unwrap_or(false)
        {
            let processes = self.processes().clone();
            let mut ended = processes.iter().filter(|p| p.child.ended().is_some());
            if let Some(dead) = ended.next() {
                return Err(dead.child.failure());
            }
            if start.elapsed() > START_LIMIT {
                let reasons: Vec<String> = processes
                    .iter()
                    .map(|process| process.child.failure().to_string())
                    .collect();
                bail!(
                    "the control plane did not {what} within {} s\n{}",
                    START_LIMIT.as_secs(),
                    reasons.join("\n")
                );
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn processes(&self) -> std::sync::MutexGuard<'_, Vec<Process>> {
        let processes = self.processes.lock();
        processes.unwrap_or_else(PoisonError::into_inner)
    }

    async fn answers(&self) -> Result<()> {
        // Like a kubelet's probe: whether it is ready, not who it is.
        let client = reqwest::Client::builder()
            .danger_accept_invalid_certs(true)
            .build()?;
        self.until("answer at /readyz", || is_ready(&client, &self.server))
            .await
    }

    /// The API server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The URL of etcd, which authenticates nobody.
    #[must_use]
    pub fn etcd(&self) -> &str {
        &self.etcd
    }

    /// The certificate authority of the API server, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The kubeconfig file of a user (see [`users`]).
    #[must_use]
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        users::kubeconfig_path(&self.kubeconfigs, user)
    }

    /// The audit log: one JSON event per line, level Metadata, with the annotations that webhooks add.
    #[must_use]
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }

    /// The programs that it runs, and kubectl.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// The owner of the processes, to add others that are killed with them.
    #[must_use]
    pub fn children(&self) -> &Children {
        &self.children
    }

    /// A new client of a user (see [`users`]), for the current tokio runtime.
    ///
    /// # Errors
    /// There is no such user.
    pub async fn client(&self, user: &str) -> Result<Client> {
        users::client_from(&self.kubeconfig(user)).await
    }

    /// A new client of any person, by impersonation: the API server, and so a webhook, sees this user and these groups.
    ///
    /// # Errors
    /// The admin's kubeconfig cannot be read.
    pub async fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client> {
        let mut config = users::config_from(&self.kubeconfig(ADMIN)).await?;
        config.auth_info.impersonate = Some(user.to_owned());
        let mut groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        groups.push("system:authenticated".to_owned());
        config.auth_info.impersonate_groups = Some(groups);
        Ok(Client::try_from(config)?)
    }

    /// The public keys of the cluster's tokens, as its issuer publishes them (a JSON Web Key Set with one ES256 key).
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn jwks(&self) -> Result<String> {
        let request = http::Request::get("/openid/v1/jwks").body(Vec::new())?;
        self.client(ADMIN)
            .await?
            .request_text(request)
            .await
            .context("cannot read the cluster's public keys")
    }

    /// Stops the processes: controllers first, etcd last.
    pub async fn stop(self) {
        let processes = self.processes().clone();
        for process in processes {
            process.child.stop(STOP_GRACE).await;
        }
        // This waits for the watchdog, so not on a thread of the runtime.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.children.kill_all();
    }
}

/// Not with kube's client, which logs every failure as an error.
async fn is_ready(client: &reqwest::Client, server: &str) -> bool {
    let answer = client.get(format!("{server}/readyz")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

#[cfg(test)]
mod tests;

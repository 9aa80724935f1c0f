//! A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager, as ordinary processes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Namespace, ServiceAccount},
    rbac::v1::RoleBinding,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use self::{commands::Ports, keys::Keys, processes::Process};
use crate::{
    ISSUER, WorkFolder,
    binaries::{Binaries, ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER},
    children::{Children, Launch},
    ports,
    users::{self, ADMIN, PEOPLE, Users},
};

mod commands;
mod keys;
mod processes;

const START_LIMIT: Duration = Duration::from_secs(90);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const START_TRIES: u32 = 5;
const STOP_GRACE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);
const FIELD_MANAGER: &str = "namesake-sandbox";

/// A running control plane. Dropping it ends its processes; [`ControlPlane::stop`] does so in good order.
///
/// It holds no tokio task: one may be started in one runtime and used from others. Clients belong to the runtime in which they
/// are made.
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
    /// Programs that cannot be had, or that do not become ready within 90 s: the message has the end of their logs.
    pub async fn start(folder: &WorkFolder) -> Result<Self> {
        Self::start_as(folder, ISSUER).await
    }

    /// As [`ControlPlane::start`], but another issuer's tokens: those of another cluster.
    ///
    /// # Errors
    /// See [`ControlPlane::start`].
    pub async fn start_as(folder: &WorkFolder, issuer: &str) -> Result<Self> {
        let find = || Binaries::find_or_build(&mut |line| tracing::info!("{line}"));
        let binaries = tokio::task::spawn_blocking(find)
            .await
            .context("the build of the control plane was broken off")??;
        Self::start_with(folder, binaries, issuer, &mut random_ports).await
    }

    /// Starts it with programs that are there, and with ports from `next_ports`. A port that is taken in between costs another
    /// attempt.
    async fn start_with(
        folder: &WorkFolder,
        binaries: Binaries,
        issuer: &str,
        next_ports: &mut dyn FnMut() -> Result<Ports>,
    ) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let keys = Keys::generate(&folder.keys())?;
        let users = Users::generate()?;
        users.write_token_file(&folder.keys().join("tokens.csv"))?;
        let policy = folder.keys().join("audit-policy.yaml");
        fs::write(&policy, commands::AUDIT_POLICY)
            .with_context(|| format!("cannot write {}", policy.display()))?;
        for attempt in 1.. {
            let error =
                match Self::start_once(folder, &binaries, &keys, &users, issuer, next_ports()?)
                    .await
                {
                    Ok(started) => return Ok(started),
                    Err(error) => error,
                };
            if attempt == START_TRIES || !port_was_taken(&folder.logs()) {
                folder.keep();
                return Err(error);
            }
            tracing::info!(
                attempt,
                "a port was taken in between: the control plane starts again with others"
            );
            for log in ["etcd.log", "kube-apiserver.log"] {
                let _ = fs::rename(
                    folder.logs().join(log),
                    folder.logs().join(format!("attempt-{attempt}-{log}")),
                );
            }
            let _ = fs::remove_dir_all(folder.data().join("etcd"));
        }
        bail!("the control plane was not started")
    }

    async fn start_once(
        folder: &WorkFolder,
        binaries: &Binaries,
        keys: &Keys,
        users: &Users,
        issuer: &str,
        ports: Ports,
    ) -> Result<Self> {
        let server = format!("https://127.0.0.1:{}", ports.api);
        users.write_kubeconfigs(&folder.kubeconfigs(), &server, &keys.ca_pem)?;
        let children = Children::start()?;
        let launch = |program: crate::binaries::Program, args| {
            let path = binaries.path(program);
            let launch = Launch::new(program.name, &path, args, &folder.logs());
            let child = children.spawn(&launch)?;
            anyhow::Ok(Process { launch, child })
        };
        let etcd = launch(ETCD, commands::etcd(ports, folder))?;
        let api_server = launch(
            KUBE_APISERVER,
            commands::api_server(ports, folder, keys, issuer),
        )?;
        let started = Self {
            server,
            etcd: commands::url(ports.etcd),
            ca_pem: keys.ca_pem.clone(),
            kubeconfigs: folder.kubeconfigs(),
            audit_log: folder.logs().join("audit.log"),
            binaries: binaries.clone(),
            processes: Mutex::new(vec![api_server, etcd]),
            children: children.clone(),
        };
        started.answers().await?;
        let admin = started.client(ADMIN).await?;
        // Started when there is something to talk to: it would wait longer before it tries again.
        let manager = launch(
            KUBE_CONTROLLER_MANAGER,
            commands::controller_manager(folder, keys),
        )?;
        started.processes().insert(0, manager);
        started
            .until("make the default service account", || {
                has_default_account(&admin)
            })
            .await?;
        grant_metadata_server(&admin).await?;
        Ok(started)
    }

    /// Waits until `holds`, as long as all processes live.
    async fn until<F: Future<Output = bool>>(
        &self,
        what: &str,
        holds: impl Fn() -> F,
    ) -> Result<()> {
        let start = Instant::now();
        // Limited, because something else may listen on our port and never answer.
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
        // As a kubelet asks: whether it is ready, not who it is.
        let anybody = reqwest::Client::builder()
            .danger_accept_invalid_certs(true)
            .build()?;
        self.until("answer at /readyz", || is_ready(&anybody, &self.server))
            .await
    }

    /// The API server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The URL of etcd, which asks nobody who they are.
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

    /// One JSON audit event per line, level Metadata: who asked for what, with the annotations that webhooks add.
    #[must_use]
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }

    /// The programs that it runs, kubectl among them.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// The processes' owner, for who wants to add others that end with it.
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

    /// A new client of any person, by the admin's impersonation: the API server, and so a webhook, sees this user and groups.
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

    /// Makes a namespace with these labels in which alice, bob and mallory may `edit`, and waits until pods can be made there.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn namespace(&self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        let client = self.client(ADMIN).await?;
        let labels: serde_json::Map<_, _> = labels
            .iter()
            .map(|&(key, value)| (key.to_owned(), json!(value)))
            .collect();
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        let apply = PatchParams::apply(FIELD_MANAGER).force();
        Api::<Namespace>::all(client.clone())
            .patch(name, &apply, &Patch::Apply(&namespace))
            .await?;
        let subjects = PEOPLE.map(
            |user| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}),
        );
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "people"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}, "subjects": subjects,
        });
        let bindings = Api::<RoleBinding>::namespaced(client.clone(), name);
        bindings
            .patch("people", &apply, &Patch::Apply(&binding))
            .await?;
        self.until("prepare the namespace", || is_prepared(&client, name))
            .await
    }

    /// Ends the processes: controllers first, the store last.
    pub async fn stop(self) {
        let processes = self.processes().clone();
        for process in processes {
            process.child.stop(STOP_GRACE).await;
        }
        // Waits for the watchdog: not on a thread of the runtime.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.children.end_all();
    }
}

/// Asked without kube's client, which logs every refusal as an error.
async fn is_ready(client: &reqwest::Client, server: &str) -> bool {
    let answer = client.get(format!("{server}/readyz")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

async fn has_default_account(client: &Client) -> bool {
    is_prepared(client, "default").await
}

/// Whether the controllers have made what every pod of a namespace needs.
async fn is_prepared(client: &Client, namespace: &str) -> bool {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    matches!(accounts.get_opt("default").await, Ok(Some(_)))
        && matches!(config_maps.get_opt("kube-root-ca.crt").await, Ok(Some(_)))
}

/// GKE's metadata server asks, on the node, for tokens whose audience is the workload pool, which no pod names: the API server
/// lets a node do so only where it is granted. It also reads which Google account a service account is linked to.
async fn grant_metadata_server(client: &Client) -> Result<()> {
    let name = "sandbox:metadata-server";
    let group = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [
            {"apiGroups": [""], "resources": [crate::WORKLOAD_POOL], "verbs": ["request-serviceaccounts-token-audience"]},
            {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]},
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": group, "kind": "Group", "name": "system:nodes"}],
    });
    let apply = PatchParams::apply(FIELD_MANAGER).force();
    Api::<k8s_openapi::api::rbac::v1::ClusterRole>::all(client.clone())
        .patch(name, &apply, &Patch::Apply(&role))
        .await?;
    Api::<k8s_openapi::api::rbac::v1::ClusterRoleBinding>::all(client.clone())
        .patch(name, &apply, &Patch::Apply(&binding))
        .await?;
    Ok(())
}

fn random_ports() -> Result<Ports> {
    Ok(Ports {
        etcd: ports::free()?,
        etcd_peer: ports::free()?,
        api: ports::free()?,
    })
}

fn port_was_taken(logs: &Path) -> bool {
    ["etcd.log", "kube-apiserver.log"].iter().any(|log| {
        fs::read(logs.join(log))
            .is_ok_and(|text| String::from_utf8_lossy(&text).contains("address already in use"))
    })
}

#[cfg(test)]
mod tests;

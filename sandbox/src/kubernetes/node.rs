//! The cluster's node: a stand-in that runs the containers of each pod that kube-scheduler binds to it as local processes.
//!
//! Differences from a real node:
//! - There is no isolation (no mount, network or user namespaces; paths under mounts are rewritten, see `mounts`) except for pods of
//!   images that need it ([`NodeOptions::isolated`], see `isolation`).
//! - No image is pulled: an image of ours becomes a program of this workspace, for other images `command` must exist here.
//! - There is no attach, logs are not followed, and exec streams no output (see `exec`).
//! - What the network around a real node does is replaced by environment variables (see [`NodeOptions::env`]).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Node as NodeObject, Pod};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use namesake_api::names::GKE_METADATA_SERVER_LABEL;
use serde_json::json;
use tokio::{sync::watch, task::JoinHandle};

use self::{exec::Containers, isolation::Isolation, tokens::PodIdentity};
use crate::{
    ControlPlane, NODE, WorkFolder,
    host::children::Children,
    kubernetes::users::{ADMIN, NODE_USER},
};

mod address;
mod env;
mod events;
mod exec;
mod isolation;
mod metadata;
mod mounts;
mod pod;
mod prepare;
mod probe;
mod run;
mod status;
pub mod tokens;
mod volumes;

/// What the node adds to pods.
#[derive(Debug, Clone, Default)]
pub struct NodeOptions {
    /// Image name without registry, tag and digest (`namesake-webhook`) → the program to run for it.
    pub images: BTreeMap<String, PathBuf>,
    /// Folders in front of PATH, like an image's own.
    pub path: Vec<PathBuf>,
    /// The URL of Google's side: if set, every pod gets a metadata server as on GKE.
    pub google: Option<String>,
    /// Names of images, as in `images`, whose pods run in mount and PID namespaces: they rely on fixed paths.
    pub isolated: BTreeSet<String>,
    /// Environment variables of every container, which its own override: in place of what a GKE node and its network provide.
    pub env: Vec<(String, String)>,
}

impl NodeOptions {
    /// The program to run for an image.
    fn program(&self, image: &str) -> Option<&Path> {
        self.images.get(short_name(image)).map(PathBuf::as_path)
    }

    /// Whether a pod runs in its own namespaces.
    fn is_isolated(&self, pod: &Pod) -> bool {
        let spec = pod.spec.iter();
        let mut containers = spec.flat_map(|spec| {
            spec.containers
                .iter()
                .chain(spec.init_containers.iter().flatten())
        });
        containers.any(|it| {
            let image = it.image.as_deref().unwrap_or_default();
            self.isolated.contains(short_name(image))
        })
    }
}

/// An image's name without registry, tag and digest.
fn short_name(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default()
}

/// A running node. A control plane has only one.
#[derive(Debug)]
pub struct Node {
    watch: JoinHandle<()>,
    children: Children,
    exec: axum_server::Handle<SocketAddr>,
}

/// What all pods share.
struct Context {
    node: Client,
    server: String,
    ca_pem: String,
    pods: PathBuf,
    logs: PathBuf,
    children: Children,
    options: NodeOptions,
    /// How pods get namespaces, or why they cannot; `None` if no pod needs them.
    isolation: Option<Result<Isolation, String>>,
    /// Folders that are visible in isolated containers.
    visible: Vec<PathBuf>,
    containers: Containers,
}

impl Node {
    /// Registers the node `loopback`, starts kube-scheduler, and runs the pods that it places here, in the current tokio runtime.
    /// Logs of containers are files `<logs>/<namespace>_<pod>_<container>.log` in the work folder.
    ///
    /// # Errors
    /// The API server refuses the node, or kube-scheduler cannot be started.
    pub async fn start(
        control_plane: &ControlPlane,
        folder: &WorkFolder,
        options: NodeOptions,
    ) -> Result<Self> {
        let logs = folder.logs().join("pods");
        std::fs::create_dir_all(&logs)
            .with_context(|| format!("cannot create {}", logs.display()))?;
        let pods = folder.pods();
        let isolation = match options.isolated.is_empty() {
            true => None,
            false => Some(Isolation::probe(&pods)),
        };
        let containers = Containers::default();
        let (address, exec) = exec::serve(folder, logs.clone(), containers.clone())?;
        let context = Context {
            node: control_plane.client(NODE_USER).await?,
            server: control_plane.server().to_owned(),
            ca_pem: control_plane.ca_pem().to_owned(),
            visible: visible_folders(&pods, &options)?,
            pods,
            logs,
            children: Children::start()?,
            options,
            isolation,
            containers,
        };
        let has_metadata_server = context.options.google.is_some();
        register(&context.node, address.port(), has_metadata_server).await?;
        remove_taints(&control_plane.client(ADMIN).await?).await?;
        let children = context.children.clone();
        control_plane.start_scheduler(&children, &folder.logs())?;
        let watch = tokio::spawn(watch_pods(Arc::new(context)));
        Ok(Self {
            watch,
            children,
            exec,
        })
    }

    /// Stops kube-scheduler, stops watching pods and kills all their processes.
    pub async fn stop(self) {
        // This waits for processes, so not on a thread of the runtime.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.watch.abort();
        self.exec.shutdown();
        self.children.kill_all();
    }
}

impl Context {
    fn folder_of(&self, pod: &PodIdentity) -> PathBuf {
        self.pods
            .join(format!("{}_{}_{}", pod.namespace, pod.pod, pod.uid))
    }

    /// The environment variables that image and runtime give every container.
    fn node_env(&self, home: &Path, temporary: &Path) -> Vec<(String, String)> {
        let inherited =
            std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        let path: Vec<String> = self
            .options
            .path
            .iter()
            .map(|it| it.display().to_string())
            .chain([inherited])
            .collect();
        let port = self.server.rsplit(':').next().unwrap_or_default();
        let mut env: Vec<(String, String)> = [
            ("PATH", path.join(":")),
            ("HOME", home.display().to_string()),
            ("TMPDIR", temporary.display().to_string()),
            ("LANG", "C.UTF-8".to_owned()),
            ("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()),
            ("KUBERNETES_SERVICE_PORT", port.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        env.extend_from_slice(&self.options.env);
        env
    }
}

/// The pods' folders and those of the programs for images; without symbolic links, which would lead out of a container's root.
fn visible_folders(pods: &Path, options: &NodeOptions) -> Result<Vec<PathBuf>> {
    let programs = options.images.values().filter_map(|it| it.parent());
    let folders = programs
        .chain(options.path.iter().filter_map(|it| it.parent()))
        .chain([pods]);
    let folders = folders.map(|folder| {
        folder
            .canonicalize()
            .with_context(|| format!("cannot find {}", folder.display()))
    });
    Ok(folders
        .collect::<Result<BTreeSet<_>>>()?
        .into_iter()
        .collect())
}

async fn register(client: &Client, exec_port: u16, has_metadata_server: bool) -> Result<()> {
    let nodes = Api::<NodeObject>::all(client.clone());
    let mut labels = json!({
        "kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": "loopback-a",
    });
    if has_metadata_server {
        labels[GKE_METADATA_SERVER_LABEL] = json!("true");
    }
    let node =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels}});
    match nodes
        .create(&PostParams::default(), &serde_json::from_value(node)?)
        .await
    {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(error) => return Err(error).context("cannot register the node"),
    }
    let capacity =
        json!({"cpu": "10000", "memory": "100Ti", "ephemeral-storage": "100Ti", "pods": "10000"});
    let status = json!({"status": {
        "capacity": capacity, "allocatable": capacity,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": exec_port}},
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NODE}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "SandboxReady", "message": "runs pods as local processes"}],
    }});
    nodes
        .patch_status(NODE, &PatchParams::default(), &Patch::Merge(status))
        .await
        .context("cannot write the node's status")?;
    Ok(())
}

/// The API server taints every new node until the controller of nodes, which does not run here, has seen that it is ready. A node may
/// not remove its own taints.
async fn remove_taints(admin: &Client) -> Result<()> {
    let patch = Patch::Merge(json!({"spec": {"taints": null}}));
    Api::<NodeObject>::all(admin.clone())
        .patch(NODE, &PatchParams::default(), &patch)
        .await
        .context("cannot remove the taints of the node")?;
    Ok(())
}

/// The pods that run here by UID, with the channels to stop them.
type Running = HashMap<String, watch::Sender<Option<Duration>>>;

async fn watch_pods(context: Arc<Context>) {
    let pods = Api::<Pod>::all(context.node.clone());
    // A node is allowed to watch only its own pods.
    let own = watcher::Config::default().fields(&format!("spec.nodeName={NODE}"));
    let mut events = pin!(watcher::watcher(pods, own).default_backoff());
    let mut running = Running::new();
    let mut seen = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(pod)) => handle(&context, &mut running, pod),
            Ok(Event::InitApply(pod)) => {
                seen.extend(pod.metadata.uid.clone());
                handle(&context, &mut running, pod);
            }
            Ok(Event::Delete(pod)) => {
                stop(
                    &mut running,
                    pod.metadata.uid.as_deref().unwrap_or_default(),
                );
            }
            Ok(Event::Init) => seen.clear(),
            Ok(Event::InitDone) => {
                let gone: Vec<String> = running
                    .keys()
                    .filter(|uid| !seen.contains(*uid))
                    .cloned()
                    .collect();
                gone.iter().for_each(|uid| stop(&mut running, uid));
            }
            Err(error) => tracing::debug!(%error, "restarting the watch of pods"),
        }
    }
}

fn stop(running: &mut Running, uid: &str) {
    if let Some(sender) = running.remove(uid) {
        sender.send_replace(Some(Duration::ZERO));
    }
}

fn handle(context: &Arc<Context>, running: &mut Running, pod: Pod) {
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    if let Some(sender) = running.get(&uid) {
        if pod.metadata.deletion_timestamp.is_some() {
            let grace = pod
                .metadata
                .deletion_grace_period_seconds
                .and_then(|it| u64::try_from(it).ok())
                .unwrap_or(0);
            sender.send_if_modified(|end| end.replace(Duration::from_secs(grace)).is_none());
        }
        return;
    }
    if has_ended(&pod) {
        return;
    }
    let (sender, ending) = watch::channel(None);
    if pod.metadata.deletion_timestamp.is_some() {
        sender.send_replace(Some(Duration::ZERO));
    }
    running.insert(uid, sender);
    let context = Arc::clone(context);
    tokio::spawn(pod::run(context, pod, ending));
}

fn has_ended(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests;

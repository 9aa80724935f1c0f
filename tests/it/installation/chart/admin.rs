//! An admin with Helm, on an API server without Namesake.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, api::PostParams};
use namesake_api::{Identity, names::SYSTEM_NAMESPACE};
use namesake_sandbox::{
    ControlPlane, Node, NodeOptions, WorkFolder, kubernetes::users::ADMIN,
    programs::kubernetes::KUBECTL,
};
use namesake_tests::{cluster::manifests, documents};
use serde_json::json;

use super::{EXAMPLE, Said, helm, rendered};

/// The longest command of Helm: the pod of a hook starts, and Helm reads its log.
pub(super) const TIMEOUT: Duration = Duration::from_secs(120);
/// The namespace of identities.
pub(super) const RESEARCH: &str = "research";
/// This chart, from its own folder.
pub(super) const HERE: &str = ".";

const VALUES: [&str; 4] = [
    "--values",
    EXAMPLE,
    "--set",
    "webhook.replicas=0,broker.replicas=0,doctor.wait=1s",
];

/// A command with a chart and the values of the tests.
pub(super) fn with_chart<'a>(command: &'a str, chart: &'a str) -> Vec<&'a str> {
    [[command, "namesake", chart].as_slice(), VALUES.as_slice()].concat()
}

/// An API server, and its admin.
pub(super) struct Admin {
    pub(super) control_plane: ControlPlane,
    pub(super) client: Client,
    node: Option<Node>,
    pub(super) folder: WorkFolder,
}

impl Admin {
    pub(super) async fn start() -> Result<Self> {
        let folder = WorkFolder::create()?;
        let control_plane = ControlPlane::start(&folder).await?;
        let client = control_plane.client(ADMIN).await?;
        for name in [SYSTEM_NAMESPACE, RESEARCH] {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            let namespaces: Api<Namespace> = Api::all(client.clone());
            namespaces
                .create(&PostParams::default(), &namespace)
                .await?;
        }
        Ok(Self {
            control_plane,
            client,
            node: None,
            folder,
        })
    }

    /// The same with a node that runs `kubectl namesake` in the pods of hooks.
    pub(super) async fn start_with_node() -> Result<Self> {
        let mut admin = Self::start().await?;
        let options = NodeOptions {
            images: [("cli".to_owned(), program("kubectl-namesake")?)].into(),
            ..NodeOptions::default()
        };
        admin.start_node(options).await?;
        Ok(admin)
    }

    /// Starts the node.
    pub(super) async fn start_node(&mut self, options: NodeOptions) -> Result<()> {
        let node = Node::start(&self.control_plane, &self.folder, options).await?;
        self.node = Some(node);
        Ok(())
    }

    /// The kubeconfig of the admin.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.control_plane.kubeconfig(ADMIN)
    }

    /// The path of kubectl.
    pub(super) fn kubectl(&self) -> PathBuf {
        self.control_plane.binaries().path(KUBECTL)
    }

    /// Runs commands in a shell that has kubectl.
    pub(super) fn shell(&self, commands: &str) -> Result<String> {
        let folder = std::env::temp_dir();
        documents::run(commands, &folder, &self.kubectl(), &self.kubeconfig())
    }

    /// Runs a command of Helm about the release, for at most two minutes.
    pub(super) async fn helm(&self, program: &Path, args: &[&str]) -> Result<Said> {
        self.helm_in(SYSTEM_NAMESPACE, program, args).await
    }

    /// The same about the release of another stack.
    pub(super) async fn helm_in(
        &self,
        namespace: &str,
        program: &Path,
        args: &[&str],
    ) -> Result<Said> {
        let program = program.to_path_buf();
        let mut args: Vec<String> = args.iter().map(|&it| it.to_owned()).collect();
        args.push(format!("--namespace={namespace}"));
        let kubeconfig = self.kubeconfig();
        let run = tokio::task::spawn_blocking(move || {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            helm(&program, &args, Some(&kubeconfig))
        });
        tokio::time::timeout(TIMEOUT, run)
            .await
            .context("helm does not return")??
    }

    pub(super) fn identities(&self) -> Api<Identity> {
        Api::namespaced(self.client.clone(), RESEARCH)
    }

    /// Creates an identity of the stack, as the broker would.
    pub(super) async fn create_identity(&self) -> Result<()> {
        let identity: Identity = serde_json::from_value(
            json!({"apiVersion": "namesake.dev/v1alpha1", "kind": "Identity",
            "metadata": {"name": "mf-alice-4k72lwgc2tsmxd"}, "spec": {"stack": "prod", "class": "research",
                "cluster": "projects/acme/locations/us-central1/clusters/ml", "user": "alice@acme.com",
                "values": {"user": "alice@acme.com"}, "mode": "impersonate", "project": "acme-identities",
                "key": "alice-4k72lwgc2tsmxd",
                "googleServiceAccount": "mf-alice-4k72lwgc2tsmxd@acme-identities.iam.gserviceaccount.com"}}),
        )?;
        self.identities()
            .create(&PostParams::default(), &identity)
            .await?;
        Ok(())
    }

    /// The titles of the objects that a release with these values has and that exist.
    pub(super) async fn there(&self, program: &Path) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for object in rendered(program, EXAMPLE, SYSTEM_NAMESPACE, &[])? {
            if manifests::exists(&self.client, &object, SYSTEM_NAMESPACE).await? {
                found.push(manifests::title(&object));
            }
        }
        Ok(found)
    }
}

/// A program of this workspace.
pub(super) fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?;
    let folder = path
        .parent()
        .and_then(|it| it.parent())
        .context("no folder")?;
    Ok(folder.join(name))
}

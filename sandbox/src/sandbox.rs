//! All of it: control plane, Google's side, node, Namesake installed from `manifests/`, and the gateway.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use namesake_api::names::SYSTEM_NAMESPACE;

use crate::{
    ControlPlane, Node, NodeOptions, WorkFolder,
    gateway::{self, Authorizer, Gateway},
    google::Google,
    kubernetes::{install, service::Service},
    programs::{gateway::GatewayPrograms, kubernetes::Binaries, python::Python},
};

/// The gateway's image.
const GATEWAY: &str = "namesake-gateway";
/// Images of this workspace's programs, by name.
const IMAGES: [&str; 3] = ["namesake-broker", GATEWAY, "namesake-webhook"];

/// How to start a sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long Google's IAM takes to propagate a change; minutes at Google.
    pub propagation: Duration,
    /// The programs to run for our images, by the images' names; see [`workspace_images`].
    pub images: BTreeMap<String, PathBuf>,
}

/// A running sandbox. Dropping it kills all processes; [`Sandbox::stop`] shuts them down in order.
#[derive(Debug)]
pub struct Sandbox {
    // Dropped in this order.
    services: Vec<Service>,
    authorizer: Authorizer,
    node: Node,
    /// OpenID provider, metadata service, and Envoy in front of it.
    pub gateway: Gateway,
    /// The emulator and the object storage.
    pub google: Google,
    /// The control plane.
    pub control_plane: ControlPlane,
    /// The Python environment to use for all other images.
    pub python: Python,
}

impl Sandbox {
    /// Builds what is missing, starts everything in the current tokio runtime, installs Namesake and opts the namespace `research`
    /// in. `say` gets a progress line for each step.
    ///
    /// # Errors
    /// A step fails: the message has the end of its log.
    pub async fn start(folder: &WorkFolder, options: Options, say: fn(&str)) -> Result<Self> {
        let (_, python) = tokio::task::spawn_blocking(move || prepare(say))
            .await
            .context("the build was interrupted")??;
        say("starting etcd, kube-apiserver and kube-controller-manager");
        let control_plane = ControlPlane::start(folder).await?;
        say("starting Google's side: IAM, tokens, metadata servers, storage");
        let google = Google::start(&control_plane, folder, options.propagation).await?;
        say("starting an OpenID provider, Metaflow's metadata service, and Envoy");
        let program = gateway_program(&options.images)?;
        let gateway_options = gateway::Options::new(&program);
        let children = control_plane.children();
        let gateway = Gateway::start(children, folder, &gateway_options, say).await?;
        let mut env = pod_env(google.url());
        // In place of a certificate that everybody trusts.
        let authority = gateway.authority().display().to_string();
        env.push(("REQUESTS_CA_BUNDLE".to_owned(), authority));
        say("starting the node, which runs pods as local processes");
        let node_options = NodeOptions {
            images: options.images,
            path: vec![python.bin()],
            isolated: BTreeSet::new(),
            env,
            google: Some(google.url().to_owned()),
        };
        let node = Node::start(&control_plane, folder, node_options).await?;
        say("installing manifests/ with the loopback overlay");
        let services = install::install(&control_plane, folder, google.url()).await?;
        let at = &control_plane;
        let authorizer =
            Authorizer::start(children, &program, folder, &gateway, at, SYSTEM_NAMESPACE).await?;
        Ok(Self {
            services,
            authorizer,
            node,
            gateway,
            google,
            control_plane,
            python,
        })
    }

    /// Stops everything: pods first, the control plane last.
    pub async fn stop(self) {
        drop(self.services);
        self.node.stop().await;
        self.gateway.envoy.stop().await;
        self.authorizer.stop().await;
        drop(self.google);
        self.control_plane.stop().await;
    }
}

/// Builds or installs whatever is missing.
///
/// # Errors
/// A tool is not installed, or a build fails.
pub fn prepare(say: fn(&str)) -> Result<(Binaries, Python)> {
    let binaries = Binaries::find_or_build(&mut |line| say(line))?;
    let programs = GatewayPrograms::find_or_install(&mut |line| say(line))?;
    Ok((binaries, programs.python))
}

fn gateway_program(images: &BTreeMap<String, PathBuf>) -> Result<PathBuf> {
    let program = images.get(GATEWAY).cloned();
    program.with_context(|| format!("there is no program for the image {GATEWAY}"))
}

/// The programs of this workspace to run for our images; they are in the folder of the running program.
///
/// # Errors
/// One is not built.
pub fn workspace_images() -> Result<BTreeMap<String, PathBuf>> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    let mut folder = program.parent().context("this program has no folder")?;
    // Test binaries are in a subfolder.
    if folder.ends_with("deps") {
        folder = folder.parent().unwrap_or(folder);
    }
    let mut images = BTreeMap::new();
    for name in IMAGES {
        let path = folder.join(name);
        if !path.is_file() {
            bail!(
                "{} is not built: run `cargo build --workspace` (or `make demo`, which does)",
                path.display()
            );
        }
        images.insert(name.to_owned(), path);
    }
    Ok(images)
}

/// Environment variables for pods in place of what a GKE node, its network and the image provide.
#[must_use]
pub fn pod_env(google: &str) -> Vec<(String, String)> {
    [
        // Instead of storage.googleapis.com.
        ("API_ENDPOINT_OVERRIDE", google),
        // The image has the packages already.
        ("METAFLOW_SKIP_INSTALL_DEPENDENCIES", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

//! All of it: control plane, Google's side, node, and Namesake installed from `manifests/`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    ControlPlane, Node, NodeOptions, WorkFolder,
    google::Google,
    install,
    kubernetes::service::Service,
    programs::{kubernetes::Binaries, python::Python},
};

/// Programs of this workspace that run as pods, by the names of their images.
const IMAGES: [&str; 2] = ["namesake-broker", "namesake-webhook"];

/// How to start a sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long Google's IAM takes to believe a change; minutes at Google.
    pub propagation: Duration,
    /// The programs that stand for our images, by the images' names; see [`workspace_images`].
    pub images: BTreeMap<String, PathBuf>,
}

/// A running sandbox. Dropping it ends all processes; [`Sandbox::stop`] does so in good order.
#[derive(Debug)]
pub struct Sandbox {
    // Dropped in this order.
    services: Vec<Service>,
    node: Node,
    /// The emulator and its storage.
    pub google: Google,
    /// The API server and its users.
    pub control_plane: ControlPlane,
    /// The Python environment that stands for every other image.
    pub python: Python,
}

impl Sandbox {
    /// Builds what is missing, starts everything in the current tokio runtime and installs Namesake; the namespace `research` is
    /// opted in. `say` gets a line per step.
    ///
    /// # Errors
    /// The first step that fails, with the end of its log.
    pub async fn start(folder: &WorkFolder, options: Options, say: fn(&str)) -> Result<Self> {
        let (_, python) = tokio::task::spawn_blocking(move || prepare(say))
            .await
            .context("the build was broken off")??;
        say("starting etcd, kube-apiserver and kube-controller-manager");
        let control_plane = ControlPlane::start(folder).await?;
        say("starting Google's side: IAM, tokens, metadata servers, storage");
        let google = Google::start(&control_plane, folder, options.propagation).await?;
        say("starting the node, which runs pods as local processes");
        let node_options = NodeOptions {
            images: options.images,
            path: vec![python.bin()],
            isolated: BTreeSet::new(),
            env: around_a_pod(google.url()),
            google: Some(google.url().to_owned()),
        };
        let node = Node::start(&control_plane, folder, node_options).await?;
        say("installing manifests/ with the loopback overlay");
        let services = install::install(&control_plane, folder, google.url()).await?;
        Ok(Self {
            services,
            node,
            google,
            control_plane,
            python,
        })
    }

    /// Ends everything: pods first, the control plane last.
    pub async fn stop(self) {
        drop(self.services);
        self.node.stop().await;
        drop(self.google);
        self.control_plane.stop().await;
    }
}

/// Builds or installs whatever is missing.
///
/// # Errors
/// A tool that is not installed, or a build that fails.
pub fn prepare(say: fn(&str)) -> Result<(Binaries, Python)> {
    let binaries = Binaries::find_or_build(&mut |line| say(line))?;
    Ok((binaries, Python::find_or_install(&mut |line| say(line))?))
}

/// The programs of this workspace that stand for our images: beside the program that runs.
///
/// # Errors
/// One is not built.
pub fn workspace_images() -> Result<BTreeMap<String, PathBuf>> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let mut folder = program.parent().context("a program without a folder")?;
    // Test binaries are one folder below.
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

/// What a GKE node, its network and the image make unnecessary: neither a flow nor a manifest knows of these.
fn around_a_pod(google: &str) -> Vec<(String, String)> {
    [
        // storage.googleapis.com is Google's.
        ("API_ENDPOINT_OVERRIDE", google),
        // The image has the packages already.
        ("METAFLOW_SKIP_INSTALL_DEPENDENCIES", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

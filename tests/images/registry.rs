//! A registry on loopback with what `make push` pushes to it.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::{
    WorkFolder,
    host::children::{Children, Launch},
};
use namesake_tests::eventually::eventually;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{VERSION, in_workspace, output, text, tool};

/// What crane logs before the port that it has chosen.
const SERVING: &str = "serving on port ";

/// The registry with our images.
pub(crate) struct Registry {
    /// `localhost:PORT/namesake`: with this host, oras and crane use HTTP.
    repositories: String,
    _children: Children,
    _folder: WorkFolder,
}

impl Registry {
    /// The registry that all tests share, with our images and their SBOMs. It stops with this process.
    pub(crate) async fn with_our_images() -> Result<&'static Self> {
        static SHARED: OnceCell<Registry> = OnceCell::const_new();
        SHARED
            .get_or_try_init(async || {
                let registry = Self::start().await?;
                registry.push()?;
                Ok(registry)
            })
            .await
    }

    async fn start() -> Result<Self> {
        let folder = WorkFolder::create()?;
        let children = Children::start()?;
        let args = ["registry", "serve", "--address", "127.0.0.1:0"].map(str::to_owned);
        let crane = tool("oci/crane")?;
        let launch = Launch::new("registry", &crane, args.into(), &folder.logs());
        let process = children.spawn(&launch)?;
        let port = eventually("the registry listens", async || {
            ensure!(process.ended().is_none(), "{}", process.failure());
            let log = fs::read_to_string(process.log())?;
            let port = log.lines().find_map(|line| line.split_once(SERVING));
            let (_, port) = port.context("it has not logged its port yet")?;
            Ok(port.parse::<u16>()?)
        })
        .await?;
        Ok(Self {
            repositories: format!("localhost:{port}/namesake"),
            _children: children,
            _folder: folder,
        })
    }

    /// Pushes as an admin does.
    fn push(&self) -> Result<()> {
        let registry = format!("REGISTRY={}", self.repositories);
        let mut make = in_workspace("make");
        // Whatever the make that runs this test was told, is not meant for this one.
        let make = make.args(["push", &registry]).env_remove("MAKEFLAGS");
        output(make.env_remove("MAKELEVEL"))?;
        Ok(())
    }

    /// The name of an image, with its tag.
    pub(crate) fn name(&self, image: &str) -> String {
        format!("{}/{image}:{VERSION}", self.repositories)
    }

    /// The name of the Helm chart, as Helm takes it.
    pub(crate) fn chart(&self) -> String {
        format!("oci://{}/charts/namesake", self.repositories)
    }

    /// Pulls an image, and what refers to it, as a layout.
    pub(crate) fn pull(&self, image: &str, folder: &Path) -> Result<()> {
        let to = format!("{}:{VERSION}", folder.display());
        let mut oras = Command::new(tool("oci/oras")?);
        let oras = oras.args(["copy", "--recursive", "--to-oci-layout"]);
        output(oras.args([&self.name(image), &to]))?;
        Ok(())
    }

    /// The artifacts that refer to an image.
    pub(crate) fn referrers(&self, image: &str) -> Result<Vec<Value>> {
        let mut oras = Command::new(tool("oci/oras")?);
        let oras = oras.args(["discover", "--format", "json", &self.name(image)]);
        let found: Value = serde_json::from_slice(&output(oras)?)?;
        let referrers = found["referrers"].as_array().cloned();
        referrers.with_context(|| format!("no list of referrers: {found}"))
    }

    /// The content of a blob of a repository.
    pub(crate) fn blob(&self, image: &str, digest: &str) -> Result<Vec<u8>> {
        let blob = format!("{}/{image}@{digest}", self.repositories);
        self.crane(&["blob", &blob])
    }

    /// A manifest of a repository.
    pub(crate) fn manifest(&self, image: &str, digest: &str) -> Result<Value> {
        let manifest = format!("{}/{image}@{digest}", self.repositories);
        Ok(serde_json::from_slice(
            &self.crane(&["manifest", &manifest])?,
        )?)
    }

    /// What crane prints about an image: its `digest`, `config` or `manifest`.
    pub(crate) fn about(&self, what: &str, image: &str) -> Result<String> {
        text(Command::new(tool("oci/crane")?).args([what, &self.name(image)]))
    }

    /// Downloads all of an image, and compares its digests, sizes and configuration with each other.
    pub(crate) fn validate(&self, image: &str) -> Result<()> {
        self.crane(&["validate", "--remote", &self.name(image)])?;
        Ok(())
    }

    /// The files of an image as an archive, as a container engine would unpack them.
    pub(crate) fn files(&self, image: &str) -> Result<Vec<u8>> {
        self.crane(&["export", &self.name(image), "-"])
    }

    fn crane(&self, args: &[&str]) -> Result<Vec<u8>> {
        output(Command::new(tool("oci/crane")?).args(args))
    }
}

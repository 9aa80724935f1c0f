//! A person's laptop: the stock Metaflow client, a kubeconfig, and their own Google credentials.

use std::sync::Arc;

use anyhow::Result;
use namesake_gcp_emulator::metadata::Workstation;
use namesake_sandbox::{google::metadata::MetadataServer, programs::python::Python};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use super::{ArgoNamespace, CommandOutput};
use crate::{endpoints, google::BUCKET, namespace::TestNamespace};

/// The file of the flow.
const FLOW: &str = "flow.py";

/// One person's laptop.
pub struct Laptop {
    ns: TestNamespace,
    person: &'static str,
    python: Python,
    home: TempDir,
    metadata: MetadataServer,
    /// How Metaflow reaches the gateway.
    pub(super) gateway: Vec<(String, String)>,
}

impl Laptop {
    /// Sets up a laptop with this flow, and grants the person the folder of their identity.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) async fn open(
        ns: &TestNamespace,
        python: &Python,
        person: &'static str,
        flow: &str,
    ) -> Result<Self> {
        let google = ns.stack.google();
        let name = ns.name_for(person);
        let folder = format!("users/{}/", name.trim_start_matches("mf-"));
        google.grant_folder(person, &folder)?;
        let workstation = Workstation::new(google.base_url(), person);
        let metadata = MetadataServer::start(Arc::new(workstation), "laptop").await?;
        let home = tempfile::tempdir()?;
        let settings = json!({
            "METAFLOW_DEFAULT_DATASTORE": "gs",
            "METAFLOW_DATASTORE_SYSROOT_GS": format!("gs://{BUCKET}/{folder}metaflow"),
            "METAFLOW_KUBERNETES_NAMESPACE": ns.name,
            "METAFLOW_KUBERNETES_CONTAINER_IMAGE": "python:3.11",
            "METAFLOW_ARGO_WORKFLOWS_USE_SCHEDULES": "1",
        });
        let config = home.path().join(".metaflowconfig");
        std::fs::create_dir(&config)?;
        std::fs::write(config.join("config.json"), settings.to_string())?;
        std::fs::write(home.path().join(FLOW), flow)?;
        Ok(Self {
            ns: ns.clone(),
            person,
            python: python.clone(),
            home,
            metadata,
            gateway: Vec::new(),
        })
    }

    /// Runs `python flow.py argo-workflows …`.
    ///
    /// # Errors
    /// It cannot be started, or does not finish.
    pub async fn argo_workflows(&self, args: &[&str]) -> Result<CommandOutput> {
        self.flow(&[&["argo-workflows"], args].concat()).await
    }

    /// Runs `python flow.py …`.
    ///
    /// # Errors
    /// It cannot be started, or does not finish.
    pub async fn flow(&self, args: &[&str]) -> Result<CommandOutput> {
        let control_plane = &self.ns.stack.cluster().control_plane;
        let path = format!(
            "{}:/usr/local/bin:/usr/bin:/bin",
            self.python.bin().display()
        );
        let mut client = Command::new(self.python.program());
        client
            .args([FLOW, "--no-pylint"])
            .args(args)
            .current_dir(self.home.path())
            .env_clear()
            .envs(self.metadata.env())
            .env("HOME", self.home.path())
            .env("PATH", path)
            .env("LANG", "C.UTF-8")
            .env("PYTHONUNBUFFERED", "1")
            .env("KUBECONFIG", control_plane.kubeconfig(self.person))
            .env("METAFLOW_USER", self.person)
            .env("API_ENDPOINT_OVERRIDE", self.ns.stack.google().base_url())
            .envs(self.gateway.iter().map(|(name, value)| (name, value)));
        CommandOutput::of(client).await
    }
}

impl ArgoNamespace {
    /// A person's laptop with this flow and the client package, and what gives it tokens.
    ///
    /// # Errors
    /// See [`Laptop::open`].
    pub async fn laptop_at_gateway(
        &self,
        person: &'static str,
        flow: &str,
    ) -> Result<(Laptop, endpoints::laptop::Laptop)> {
        let name = person.split('@').next().unwrap_or(person);
        let login = endpoints::laptop::Laptop::open(self.endpoints(), name, flow).await?;
        let is_own = |name: &str| matches!(name, "HOME" | "PATH");
        let env = login.env().iter().filter(|(name, _)| !is_own(name));
        let mut laptop = self.laptop(person, flow).await?;
        laptop.gateway = env.cloned().collect();
        Ok((laptop, login))
    }
}

//! A data scientist's laptop: the stock Metaflow client with the package `metaflow-namesake`, a kubeconfig, and their own Google
//! credentials.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use namesake_core::{IdentityName, Per};
use namesake_gcp_emulator::metadata::Workstation;
use serde_json::json;

use crate::{
    CLASS, CLUSTER, RESEARCH, STACK, Sandbox, WorkFolder,
    gateway::CLI_CLIENT,
    google::{BUCKET, folder_of, metadata::MetadataServer},
    host::{
        children::{Child, Launch},
        work_folder::workspace_root,
    },
};

mod login;

/// The flow that they run.
pub const FLOW: &str = "whoami_flow.py";

/// One person's laptop.
#[derive(Debug)]
pub struct Laptop {
    person: &'static str,
    identity: IdentityName,
    folder: PathBuf,
    logs: PathBuf,
    python: PathBuf,
    env: Vec<(String, String)>,
    _metadata: MetadataServer,
}

impl Laptop {
    /// Sets up a laptop: Metaflow's configuration, the flow, and the person's notes in their own folder of the bucket. Nobody is logged
    /// in at the gateway yet. `claims_to_be` is the value of METAFLOW_USER, which anybody can set to anything.
    ///
    /// # Errors
    /// The work folder cannot be written, or the storage refuses the person's notes.
    pub async fn open(
        sandbox: &Sandbox,
        folder: &WorkFolder,
        person: &'static str,
        claims_to_be: &str,
    ) -> Result<Self> {
        let values = BTreeMap::from([(Per::User, person.to_owned())]);
        let identity = IdentityName::derive(STACK, CLUSTER, RESEARCH, CLASS, &values);
        let google = sandbox.google.url();
        sandbox.google.grant_folder(person, &identity)?;
        let metadata =
            MetadataServer::start(Arc::new(Workstation::new(google, person)), "laptop").await?;
        let name = person.split('@').next().unwrap_or(person);
        let home = folder.path().join("laptops").join(name);
        let mut env = metadata.env();
        env.extend(
            [
                ("HOME", home.display().to_string()),
                (
                    "PATH",
                    format!(
                        "{}:/usr/local/bin:/usr/bin:/bin",
                        sandbox.python.bin().display()
                    ),
                ),
                ("LANG", "C.UTF-8".to_owned()),
                ("PYTHONUNBUFFERED", "1".to_owned()),
                (
                    "KUBECONFIG",
                    sandbox
                        .control_plane
                        .kubeconfig(person)
                        .display()
                        .to_string(),
                ),
                ("METAFLOW_USER", claims_to_be.to_owned()),
                // In place of `pip install metaflow-namesake`. Pods do not have it: Metaflow packages it with the flow's code.
                ("PYTHONPATH", client_package().display().to_string()),
                ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
                (
                    "REQUESTS_CA_BUNDLE",
                    sandbox.gateway.authority().display().to_string(),
                ),
                // Instead of storage.googleapis.com.
                ("API_ENDPOINT_OVERRIDE", google.to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let laptop = Self {
            person,
            identity,
            folder: home,
            logs: folder.logs(),
            python: sandbox.python.program(),
            env,
            _metadata: metadata,
        };
        laptop.write_files(sandbox)?;
        laptop.upload_notes(sandbox).await?;
        Ok(laptop)
    }

    fn write_files(&self, sandbox: &Sandbox) -> Result<()> {
        let config = self.folder.join(".metaflowconfig");
        fs::create_dir_all(&config)
            .with_context(|| format!("cannot create {}", config.display()))?;
        let settings = json!({
            "METAFLOW_DEFAULT_DATASTORE": "gs",
            "METAFLOW_DATASTORE_SYSROOT_GS": format!("gs://{BUCKET}/{}metaflow", folder_of(&self.identity)),
            "METAFLOW_KUBERNETES_NAMESPACE": RESEARCH,
            "METAFLOW_KUBERNETES_CONTAINER_IMAGE": "python:3.11",
            "METAFLOW_DEFAULT_METADATA": "service",
            "METAFLOW_SERVICE_URL": sandbox.gateway.api(),
            "METAFLOW_NAMESAKE_ISSUER": sandbox.gateway.provider.url(),
            "METAFLOW_NAMESAKE_CLIENT_ID": CLI_CLIENT,
        });
        fs::write(config.join("config.json"), settings.to_string())
            .context("cannot write Metaflow's configuration")?;
        let flow = workspace_root().join("sandbox").join("demo").join(FLOW);
        fs::copy(&flow, self.folder.join(FLOW))
            .with_context(|| format!("cannot copy {}", flow.display()))?;
        Ok(())
    }

    /// Uploads the notes as the person, from their laptop.
    async fn upload_notes(&self, sandbox: &Sandbox) -> Result<()> {
        let token = sandbox.google.emulator().state().user_token(self.person);
        let url = format!("{}/upload/storage/v1/b/{BUCKET}/o", sandbox.google.url());
        let name = format!("{}notes.txt", folder_of(&self.identity));
        let request = reqwest::Client::new()
            .post(url)
            .query(&[("uploadType", "media"), ("name", name.as_str())])
            .bearer_auth(token)
            .body(self.notes());
        let answer = request
            .send()
            .await
            .context("the storage does not answer")?;
        if !answer.status().is_success() {
            let status = answer.status();
            bail!(
                "{} is not allowed to write {name}: {status}: {}",
                self.person,
                answer.text().await.unwrap_or_default()
            );
        }
        Ok(())
    }

    /// The content of the person's notes.
    #[must_use]
    pub fn notes(&self) -> String {
        format!("notes of {}", self.person)
    }

    /// The URL of the notes.
    #[must_use]
    pub fn notes_url(&self) -> String {
        format!("gs://{BUCKET}/{}notes.txt", folder_of(&self.identity))
    }

    /// The owner of the laptop.
    #[must_use]
    pub fn person(&self) -> &'static str {
        self.person
    }

    /// The name of the identity that the rules give this person.
    #[must_use]
    pub fn identity(&self) -> &IdentityName {
        &self.identity
    }

    /// The home folder, which contains the flow.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The flow's parameters: the person's own notes, those of somebody else, and Google's tokeninfo endpoint.
    #[must_use]
    pub fn flow_flags(&self, laptops: &[Self], google: &str) -> Vec<String> {
        let theirs = laptops
            .iter()
            .find(|other| other.person != self.person)
            .map(Self::notes_url)
            .unwrap_or_default();
        vec![
            "--notes".to_owned(),
            self.notes_url(),
            "--colleagues-notes".to_owned(),
            theirs,
            "--tokeninfo".to_owned(),
            format!("{google}/tokeninfo"),
        ]
    }

    /// The first part of the person's address.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.person.split('@').next().unwrap_or(self.person)
    }

    /// Starts Python with these arguments on the laptop. Its output is in `<logs>/<name>.log`.
    ///
    /// # Errors
    /// Python cannot be started.
    pub fn start(&self, sandbox: &Sandbox, name: &str, args: &[&str]) -> Result<Child> {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let mut launch = Launch::new(name, &self.python, args, &self.logs);
        launch.env.clone_from(&self.env);
        launch.only_env = true;
        launch.folder = Some(self.folder.clone());
        sandbox.control_plane.children().spawn(&launch)
    }

    /// Runs the flow: `python whoami_flow.py run --with kubernetes …`.
    ///
    /// # Errors
    /// Python cannot be started.
    pub fn run(&self, sandbox: &Sandbox, flags: &[String]) -> Result<Child> {
        let command = [FLOW, "run", "--with", "kubernetes"].into_iter();
        let args: Vec<&str> = command.chain(flags.iter().map(String::as_str)).collect();
        self.start(sandbox, &format!("metaflow-{}", self.name()), &args)
    }

    /// Writes the laptop's environment variables into a file for a shell.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_env(&self) -> Result<PathBuf> {
        let path = self.folder.join("env.sh");
        let quoted = |value: &str| format!("'{}'", value.replace('\'', r"'\''"));
        let lines: String = self
            .env
            .iter()
            .map(|(name, value)| format!("export {name}={}\n", quoted(value)))
            .collect();
        fs::write(&path, lines).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// The folder with the client package.
fn client_package() -> PathBuf {
    workspace_root().join("client").join("src")
}

//! Control planes with our manifests applied: everything except the Deployments, whose programs run in this process.

use std::{path::PathBuf, sync::OnceLock, time::Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Client, api::PostParams};
use namesake_api::names::SYSTEM_NAMESPACE;
use namesake_sandbox::{
    CLUSTER, ControlPlane, WorkFolder,
    kubernetes::users::{self, ADMIN},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    cluster::{person::Person, refusal::refused},
    eventually::eventually,
};

pub mod dump;
pub mod eventually;
mod lent;
pub mod manifests;
pub mod person;
pub mod refusal;
pub use lent::Lent;

/// Lifetime of the tokens that the harness requests, in seconds: longer than any run.
const TOKEN_SECONDS: i64 = 3600;
/// Custom resources of other projects, and the accounts of their controllers.
const FOREIGN: [&str; 2] = [
    include_str!("../crds/jobset.yaml"),
    include_str!("../crds/argo.yaml"),
];
/// Kinds of the manifests that are not applied: the programs run in this process, and each stack has its own webhook
/// configurations and rules.
pub(crate) const NOT_INSTALLED: [&str; 5] = [
    "Deployment",
    "PodDisruptionBudget",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ConfigMap",
];
/// Custom resources that tests need: the last one of each file.
const SERVED: [&str; 2] = ["identities.namesake.dev", "workflowtasksets.argoproj.io"];
/// The namespace of Argo's controller.
pub const ARGO_NAMESPACE: &str = "argo";

/// A control plane on which Namesake is installed, but does not run yet.
#[derive(Debug)]
pub struct Cluster {
    /// The control plane.
    pub control_plane: ControlPlane,
    /// Its full name, as in the rules of its own stack.
    pub name: String,
    folder: WorkFolder,
}

impl Cluster {
    /// The cluster that all tests of this process share. It stops with the process.
    ///
    /// # Errors
    /// It does not start.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED
            .get_or_try_init(async || Self::start(CLUSTER).await)
            .await
    }

    /// A cluster of this name, for one test. It stops when it is dropped.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(name: &str) -> Result<Self> {
        let started = Instant::now();
        let folder = WorkFolder::create()?;
        log_to(&folder)?;
        let control_plane = ControlPlane::start_as(&folder, &issuer(name)).await?;
        let cluster = Self {
            control_plane,
            name: name.to_owned(),
            folder,
        };
        cluster.install().await?;
        tracing::info!(
            seconds = started.elapsed().as_secs_f32(),
            "a cluster is installed"
        );
        Ok(cluster)
    }

    /// Applies the loopback overlay, and waits until the API server enforces it.
    async fn install(&self) -> Result<()> {
        let client = self.control_plane.client(ADMIN).await?;
        for text in FOREIGN {
            for object in manifests::objects(text)? {
                manifests::apply(&client, &object, SYSTEM_NAMESPACE, false).await?;
            }
        }
        let text = manifests::rendered(&self.control_plane, "overlays/loopback")?;
        for object in manifests::objects(&text)? {
            if NOT_INSTALLED.iter().all(|kind| object["kind"] != *kind) {
                manifests::apply(&client, &object, SYSTEM_NAMESPACE, false).await?;
            }
        }
        self.control_plane.wait_until_served(&SERVED).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, "default");
        let managed: ServiceAccount =
            serde_json::from_value(json!({"metadata": {"name": "mf-nobody-aaaaaaaaaaaaaa"}}))?;
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        eventually("the policy of managed names is enforced", async || {
            refused(accounts.create(&dry_run, &managed).await)?.with_message("managed by Namesake")
        })
        .await?;
        Ok(())
    }

    /// The issuer of its tokens.
    #[must_use]
    pub fn issuer(&self) -> String {
        issuer(&self.name)
    }

    /// The work folder, with logs that help to explain failures.
    #[must_use]
    pub fn folder(&self) -> &WorkFolder {
        &self.folder
    }

    /// A user of the control plane, with a client for this namespace.
    ///
    /// # Errors
    /// There is no such user.
    pub async fn user(&self, name: &str, namespace: &str) -> Result<Person> {
        let config = users::config_from(&self.control_plane.kubeconfig(name)).await?;
        Ok(Person::new(
            name,
            client_without_retries(config)?,
            namespace,
        ))
    }

    /// Any person with these groups, by impersonation.
    ///
    /// # Errors
    /// The admin's kubeconfig cannot be read.
    pub async fn person(&self, name: &str, groups: &[&str], namespace: &str) -> Result<Person> {
        let mut config = users::config_from(&self.control_plane.kubeconfig(ADMIN)).await?;
        let groups = groups.iter().copied().chain(["system:authenticated"]);
        config.auth_info.impersonate = Some(name.to_owned());
        config.auth_info.impersonate_groups = Some(groups.map(str::to_owned).collect());
        Ok(Person::new(
            name,
            client_without_retries(config)?,
            namespace,
        ))
    }

    /// A service account with its own token, like a controller or a pod.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn service_account(&self, home: &str, name: &str, namespace: &str) -> Result<Person> {
        let config = self.config_of(home, name).await?;
        let user = format!("system:serviceaccount:{home}:{name}");
        Ok(Person::new(
            &user,
            client_without_retries(config)?,
            namespace,
        ))
    }

    /// The client configuration of a service account, for use in any runtime.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn config_of(&self, home: &str, name: &str) -> Result<kube::Config> {
        let token = self.token(home, name, &[]).await?;
        let mut config = users::config_from(&self.control_plane.kubeconfig(ADMIN)).await?;
        config.auth_info = kube::config::AuthInfo {
            token: Some(token),
            ..kube::config::AuthInfo::default()
        };
        Ok(config)
    }

    /// A token of a service account, for the API server or for these audiences.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[&str],
    ) -> Result<SecretString> {
        let client = self.control_plane.client(ADMIN).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, namespace);
        let spec = TokenRequestSpec {
            audiences: Some(
                audiences
                    .iter()
                    .map(|&audience| audience.to_owned())
                    .collect(),
            ),
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        };
        let request = TokenRequest {
            spec: Some(spec),
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .with_context(|| format!("cannot get a token for {namespace}/{name}"))?;
        let token = answer.status.and_then(|status| status.token);
        Ok(token.context("the TokenRequest has no token")?.into())
    }

    /// The events of the API server's audit log.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn audit_events(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.control_plane.audit_log())?;
        // The last line may be incomplete.
        Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }
}

/// The issuer of the tokens of a cluster on GKE.
fn issuer(cluster: &str) -> String {
    format!("https://container.googleapis.com/v1/{cluster}")
}

/// A client that returns a refusal at once, like kubectl and Metaflow; kube's default retries for minutes after a 503.
fn client_without_retries(mut config: kube::Config) -> Result<Client> {
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// The file of the log.
static LOG: OnceLock<PathBuf> = OnceLock::new();

/// Writes the log of webhook and broker into the folder of the first cluster; a failing test prints its path.
fn log_to(folder: &WorkFolder) -> Result<()> {
    let path = folder.logs().join("in-process.log");
    let file = std::fs::File::create(&path)?;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,kube=warn,hyper=warn,tower=warn".into());
    // Programs of other clusters log into the same file.
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file))
        .try_init();
    if started.is_ok() {
        let _ = LOG.set(path);
    }
    Ok(())
}

/// The log of webhook and broker of all tests so far.
///
/// # Errors
/// No cluster was started.
pub fn in_process_log() -> Result<String> {
    let path = LOG.get().context("no cluster was started")?;
    Ok(std::fs::read_to_string(path)?)
}

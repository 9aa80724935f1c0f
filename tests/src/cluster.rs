//! Control planes with our manifests applied: everything but the Deployments, whose programs run in this process.

use std::time::Instant;

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
mod lent;
pub mod manifests;
pub mod person;
pub mod refusal;
pub use lent::Lent;

/// Life of the tokens that the harness asks for, in seconds: longer than any run.
const TOKEN_SECONDS: i64 = 3600;
/// Other people's kinds, and the accounts of their controllers.
const FOREIGN: [&str; 2] = [
    include_str!("../crds/jobset.yaml"),
    include_str!("../crds/argo.yaml"),
];
/// Kinds of the manifests that are not applied: what runs as a pod there runs in this process here; the configurations and the
/// rules are each stack's own.
const NOT_INSTALLED: [&str; 5] = [
    "Deployment",
    "PodDisruptionBudget",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ConfigMap",
];
/// Kinds that tests need, each the last of its file.
const SERVED: [&str; 2] = ["identities.namesake.dev", "workflowtasksets.argoproj.io"];
/// Where Argo's controller lives.
pub const ARGO_NAMESPACE: &str = "argo";

/// A control plane on which Namesake is installed, and nothing of it runs yet.
#[derive(Debug)]
pub struct Cluster {
    /// The control plane.
    pub control_plane: ControlPlane,
    /// Its full name, as the rules of its own stack write it.
    pub name: String,
    folder: WorkFolder,
}

impl Cluster {
    /// The one that all tests of this process share. It ends with the process.
    ///
    /// # Errors
    /// It does not start.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED
            .get_or_try_init(async || Self::start(CLUSTER).await)
            .await
    }

    /// A cluster of this name, for one test. It ends when it is dropped.
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

    /// Applies the loopback overlay, and waits until the API server holds to it.
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
        eventually("the guard of managed names is in force", async || {
            refused(accounts.create(&dry_run, &managed).await)?.with_message("managed by Namesake")
        })
        .await?;
        Ok(())
    }

    /// Who issues its tokens.
    #[must_use]
    pub fn issuer(&self) -> String {
        issuer(&self.name)
    }

    /// The work folder, whose logs explain failures.
    #[must_use]
    pub fn folder(&self) -> &WorkFolder {
        &self.folder
    }

    /// A user of the control plane, at work in this namespace.
    ///
    /// # Errors
    /// There is no such user.
    pub async fn user(&self, name: &str, namespace: &str) -> Result<Person> {
        let config = users::config_from(&self.control_plane.kubeconfig(name)).await?;
        Ok(Person::new(name, impatient(config)?, namespace))
    }

    /// Any person, with these groups.
    ///
    /// # Errors
    /// The admin, who impersonates them, cannot.
    pub async fn person(&self, name: &str, groups: &[&str], namespace: &str) -> Result<Person> {
        let mut config = users::config_from(&self.control_plane.kubeconfig(ADMIN)).await?;
        let groups = groups.iter().copied().chain(["system:authenticated"]);
        config.auth_info.impersonate = Some(name.to_owned());
        config.auth_info.impersonate_groups = Some(groups.map(str::to_owned).collect());
        Ok(Person::new(name, impatient(config)?, namespace))
    }

    /// A service account with a token of its own, as a controller or a pod has it.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn service_account(&self, home: &str, name: &str, namespace: &str) -> Result<Person> {
        let config = self.config_of(home, name).await?;
        let user = format!("system:serviceaccount:{home}:{name}");
        Ok(Person::new(&user, impatient(config)?, namespace))
    }

    /// What a client of a service account is made from, in whichever runtime it is to live.
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
            .with_context(|| format!("no token for {namespace}/{name}"))?;
        let token = answer.status.and_then(|status| status.token);
        Ok(token.context("a TokenRequest without a token")?.into())
    }

    /// The events of the API server's audit log.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn audit_events(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.control_plane.audit_log())?;
        // The last line may be half written.
        Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }
}

/// Who issues the tokens of a cluster on GKE.
fn issuer(cluster: &str) -> String {
    format!("https://container.googleapis.com/v1/{cluster}")
}

/// A client that shows a refusal as kubectl and Metaflow do; kube's own would try again for minutes after a 503.
fn impatient(mut config: kube::Config) -> Result<Client> {
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// The log of webhook and broker goes into the first cluster's folder; a failing test names it.
fn log_to(folder: &WorkFolder) -> Result<()> {
    let file = std::fs::File::create(folder.logs().join("in-process.log"))?;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,kube=warn,hyper=warn,tower=warn".into());
    // The second cluster's programs log into the first one's file.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file))
        .try_init();
    Ok(())
}

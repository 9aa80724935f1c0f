//! The webhook and the broker in this process, with the same service accounts, rights and certificates as in their pods.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::ConfigMap};
use kube::{Api, api::DeleteParams};
use namesake_api::names::{
    ACCEPTED_RULES_CONFIG_MAP, BROKER_AUDIENCE, BROKER_LEASE, RULES_CONFIG_MAP, SYSTEM_NAMESPACE,
    WEBHOOK_SERVICE_ACCOUNT,
};
use namesake_sandbox::kubernetes::users::ADMIN;
use secrecy::ExposeSecret;
use tokio::sync::{Mutex, OnceCell};

mod broker_requests;
mod installed;
mod metrics;
mod options;
pub mod other_webhook;
pub mod program;
mod programs;
pub mod replica;
pub mod service;

pub use broker_requests::identity_request;
use installed::{authority, configure, remove, write_rules};
use metrics::MetricsAddresses;
pub use metrics::scrape;
pub use options::Options;
use program::Program;
use programs::listener;

use crate::{
    cluster::{Cluster, Lent},
    eventually::eventually,
    google::Google,
};

/// The name of the stack, in the rules and in the labels of namespaces that are opted in.
pub const STACK: &str = "prod";
/// The rules that tests share.
pub const SHARED_RULES: &str = include_str!("../rules/shared.yaml");
/// The duration of the leader lease: how long the successor of a killed broker waits.
pub const LEASE: Duration = Duration::from_secs(2);

/// The cluster of a stack: shared, lent to it, or its own.
enum StackCluster {
    Shared(&'static Cluster),
    Lent(Lent),
    Own(Box<Cluster>),
    Beside(Arc<Stack>),
}

/// The webhook, the broker and Google on one cluster.
pub struct Stack {
    cluster: StackCluster,
    google: Arc<Google>,
    options: Options,
    webhook_address: SocketAddr,
    broker_address: SocketAddr,
    metrics: MetricsAddresses,
    token_file: PathBuf,
    authority: Vec<u8>,
    webhook: Mutex<Option<Program>>,
    broker: Mutex<Option<Program>>,
}

impl Stack {
    /// The stack that all tests of this process share. It stops with the process.
    ///
    /// # Errors
    /// It does not start.
    pub async fn shared() -> Result<Arc<Self>> {
        static SHARED: OnceCell<Arc<Stack>> = OnceCell::const_new();
        let start = async || {
            Self::begin(
                StackCluster::Shared(Cluster::shared().await?),
                Options::default(),
            )
            .await
        };
        SHARED.get_or_try_init(start).await.cloned()
    }

    /// Starts a stack on a cluster that is lent to a test.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(cluster: Lent, options: Options) -> Result<Arc<Self>> {
        Self::begin(StackCluster::Lent(cluster), options).await
    }

    /// Starts a stack on its own cluster, which stops with it.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_on(cluster: Cluster, options: Options) -> Result<Arc<Self>> {
        Self::begin(StackCluster::Own(Box::new(cluster)), options).await
    }

    /// Starts another stack on the cluster of a stack, with the same Google. [`Stack::stop`] removes it from the cluster.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_beside(
        first: &Arc<Self>,
        name: &'static str,
        options: Options,
    ) -> Result<Arc<Self>> {
        let options = Options {
            beside: Some(name),
            google: Some(Arc::clone(first.google())),
            ..options
        };
        Self::begin(StackCluster::Beside(Arc::clone(first)), options).await
    }

    async fn begin(home: StackCluster, options: Options) -> Result<Arc<Self>> {
        let cluster = home.get();
        let google = match &options.google {
            Some(google) => Arc::clone(google),
            None => Arc::new(Google::start(cluster).await?),
        };
        let (webhook, broker) = (listener(None)?, listener(None)?);
        let (webhook_address, broker_address) = (webhook.local_addr()?, broker.local_addr()?);
        let client = cluster.control_plane.client(ADMIN).await?;
        let namespace = home_of(&options);
        if options.beside.is_some() {
            cluster.control_plane.namespace(&namespace, &[]).await?;
        }
        write_rules(&client, &namespace, &options.rules)
            .await
            .context("cannot write the rules")?;
        configure(cluster, &client, webhook_address, options.beside).await?;
        let token = cluster
            .token(&namespace, WEBHOOK_SERVICE_ACCOUNT, &[BROKER_AUDIENCE])
            .await?;
        let token_file = cluster
            .folder()
            .data()
            .join(format!("broker-token-{}", webhook_address.port()));
        std::fs::write(&token_file, token.expose_secret())?;
        let mut stack = Self {
            cluster: home,
            google,
            options,
            webhook_address,
            broker_address,
            metrics: MetricsAddresses::default(),
            token_file,
            authority: Vec::new(),
            webhook: Mutex::new(None),
            broker: Mutex::new(None),
        };
        stack.run_broker(broker).await?;
        stack.run_webhook(webhook).await?;
        stack.authority = authority(&client, &namespace).await?;
        let stack = Arc::new(stack);
        stack.wait_until_ready(&stack.broker_url()).await?;
        stack.wait_until_ready(&stack.webhook_url()).await?;
        Ok(stack)
    }

    /// Its cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        self.cluster.get()
    }

    /// Its Google.
    #[must_use]
    pub fn google(&self) -> &Arc<Google> {
        &self.google
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.options.beside.unwrap_or(STACK)
    }

    /// The namespace of its programs.
    #[must_use]
    pub fn home(&self) -> String {
        home_of(&self.options)
    }

    /// Base URL of the webhook.
    #[must_use]
    pub fn webhook_url(&self) -> String {
        format!("https://{}", self.webhook_address)
    }

    /// Base URL of the broker.
    #[must_use]
    pub fn broker_url(&self) -> String {
        format!("https://{}", self.broker_address)
    }

    /// An HTTPS client that trusts only the authority of the stack.
    ///
    /// # Errors
    /// The certificate of the authority is not valid.
    pub fn https(&self) -> Result<reqwest::Client> {
        https_trusting(std::str::from_utf8(&self.authority)?)
    }

    /// Writes the rules, as an admin.
    ///
    /// # Errors
    /// The files of the control plane cannot be read. A refusal by the API server is in the inner result.
    pub async fn edit_rules(&self, text: &str) -> Result<kube::Result<ConfigMap>> {
        let client = self.cluster().control_plane.client(ADMIN).await?;
        Ok(write_rules(&client, &self.home(), text).await)
    }

    /// Stops everything, and leaves the cluster ready for another stack.
    ///
    /// # Errors
    /// The files of the control plane cannot be read.
    pub async fn stop(&self) -> Result<()> {
        self.kill_webhook().await;
        self.kill_broker().await;
        if self.options.google.is_none() {
            self.google.stop();
        }
        let client = self.cluster().control_plane.client(ADMIN).await?;
        if let Some(name) = self.options.beside {
            return remove(self.cluster(), &client, name).await;
        }
        // The next stack's broker would wait until it expires.
        let leases: Api<Lease> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
        let _ = leases.delete(BROKER_LEASE, &DeleteParams::default()).await;
        let maps: Api<ConfigMap> = Api::namespaced(client, SYSTEM_NAMESPACE);
        for name in [RULES_CONFIG_MAP, ACCEPTED_RULES_CONFIG_MAP] {
            let _ = maps.delete(name, &DeleteParams::default()).await;
        }
        Ok(())
    }

    pub(crate) async fn wait_until_ready(&self, url: &str) -> Result<()> {
        let https = self.https()?;
        eventually(&format!("{url} is ready"), async || {
            let response = https.get(format!("{url}/readyz")).send().await?;
            let (status, text) = (response.status(), response.text().await?);
            ensure!(status.is_success(), "{text}");
            Ok(())
        })
        .await
    }

    /// The client configuration of a service account in the system namespace, with the rights that the manifests give it.
    async fn config_of(&self, account: &str) -> Result<kube::Config> {
        self.cluster().config_of(&self.home(), account).await
    }
}

/// The namespace of a stack's programs.
fn home_of(options: &Options) -> String {
    let suffix = options.beside.map(|name| format!("-{name}"));
    format!("{SYSTEM_NAMESPACE}{}", suffix.unwrap_or_default())
}

/// An HTTPS client that trusts only these authorities.
///
/// # Errors
/// The bundle contains no valid certificate.
pub fn https_trusting(bundle: &str) -> Result<reqwest::Client> {
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(namesake_certs::client_roots(bundle)?)
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .build()?)
}

impl StackCluster {
    fn get(&self) -> &Cluster {
        match self {
            Self::Shared(cluster) => cluster,
            Self::Lent(cluster) => cluster,
            Self::Own(cluster) => cluster,
            Self::Beside(first) => first.cluster(),
        }
    }
}

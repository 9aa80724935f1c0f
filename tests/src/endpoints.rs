//! A gateway with real parts: Envoy, an OpenID provider and a metadata service. For tests of what reaches the authorizer, a recorder
//! is in its place, which allows everything and remembers what it was asked.

mod authorizer;
pub mod laptop;
pub mod raw;
mod recorder;
mod runs;

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use namesake_sandbox::{
    WorkFolder,
    gateway::{Authorizer, CLI_CLIENT, Gateway, Options},
    host::{children::Children, work_folder::workspace_root},
    sandbox::workspace_images,
};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, redirect};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{cluster::Cluster, stack::Stack};

pub use authorizer::ENDPOINTS;
pub use recorder::{Asked, REFUSAL, REFUSED, Recorder, SILENT};

/// A gateway and its recorder.
#[derive(Debug)]
pub struct Endpoints {
    /// The gateway.
    pub gateway: Gateway,
    /// What Envoy asked the recorder in place of the authorizer.
    pub recorder: Recorder,
    /// Logs.
    pub folder: WorkFolder,
    /// The processes.
    pub children: Children,
    client: Client,
}

impl Endpoints {
    /// The gateway that tests share. It stops with the process.
    ///
    /// # Errors
    /// It does not start.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Endpoints> = OnceCell::const_new();
        SHARED
            .get_or_try_init(async || Self::start(|_| ()).await)
            .await
    }

    /// The gateway with the authorizer itself that tests share, on the stack that they share. It stops with the process.
    ///
    /// # Errors
    /// It does not start.
    pub async fn authorized(stack: &Stack) -> Result<&'static Self> {
        static SHARED: OnceCell<Endpoints> = OnceCell::const_new();
        SHARED
            .get_or_try_init(async || {
                let cluster = stack.cluster();
                let endpoints = Self::of(cluster).await?;
                endpoints.authorize_with_own_rules(cluster).await?;
                Ok(endpoints)
            })
            .await
    }

    /// A gateway for one test. It stops when it is dropped.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(change: impl FnOnce(&mut Options)) -> Result<Self> {
        Self::start_gateway(change, Recorder::start).await
    }

    /// A gateway for one test, or for all that share a cluster. Its authorizer is not started yet: [`Endpoints::authorize`].
    ///
    /// # Errors
    /// It does not start.
    pub async fn of(cluster: &Cluster) -> Result<Self> {
        let change = |options: &mut Options| options.cluster_issuer = cluster.issuer();
        Self::start_gateway(change, |_| Ok(Recorder::default())).await
    }

    /// Starts the authorizer, with the rules of the cluster's stack.
    ///
    /// # Errors
    /// It does not start.
    pub async fn authorize(&self, cluster: &Cluster) -> Result<Authorizer> {
        let (children, folder) = (&self.children, &self.folder);
        authorizer::start(children, &program()?, folder, &self.gateway, cluster).await
    }

    /// Starts the authorizer, with rules of its own that let alice and bob write: those of the stack that tests share let nobody.
    ///
    /// # Errors
    /// It does not start.
    pub async fn authorize_with_own_rules(&self, cluster: &Cluster) -> Result<Authorizer> {
        let (children, folder) = (&self.children, &self.folder);
        let program = program()?;
        authorizer::start_with_own_rules(children, &program, folder, &self.gateway, cluster).await
    }

    async fn start_gateway(
        change: impl FnOnce(&mut Options),
        record: impl FnOnce(&Path) -> Result<Recorder>,
    ) -> Result<Self> {
        // Another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = WorkFolder::create()?;
        let children = Children::start()?;
        let mut options = Options::new(&program()?);
        change(&mut options);
        let recorder = record(&Gateway::socket_in(&folder))?;
        let say = |line: &str| tracing::info!("{line}");
        let gateway = Gateway::start(&children, &folder, &options, say).await?;
        let authority = std::fs::read(gateway.authority())?;
        let client = Client::builder()
            .tls_certs_only([Certificate::from_pem(&authority)?])
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            // Each request has a connection of its own: a refused one may end with its connection closed.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self {
            gateway,
            recorder,
            folder,
            children,
            client,
        })
    }

    /// A request to the API host.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.gateway.api()))
    }

    /// Any request.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// A request to the API host with a body.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.gateway.api()))
    }

    /// A request without a login to the UI host.
    pub fn get_ui(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.gateway.ui()))
    }

    /// The claims of alice's token for programs, valid for ten minutes.
    #[must_use]
    pub fn claims(&self) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({
            "iss": self.gateway.provider.url(),
            "aud": CLI_CLIENT,
            "sub": "alice",
            "email": "alice@acme.com",
            "email_verified": true,
            "iat": now,
            "exp": now + 600,
        })
    }

    /// A token with these claims, signed by the provider.
    ///
    /// # Errors
    /// The provider does not answer.
    pub async fn sign(&self, claims: &Value) -> Result<String> {
        self.gateway.provider.sign(&json!({}), claims).await
    }

    /// A valid token of the person `<name>@acme.com`.
    ///
    /// # Errors
    /// The provider does not answer.
    pub async fn token_of(&self, name: &str) -> Result<String> {
        let mut claims = self.claims();
        claims["sub"] = json!(name);
        claims["email"] = json!(format!("{name}@acme.com"));
        self.sign(&claims).await
    }

    /// A valid token of alice.
    ///
    /// # Errors
    /// The provider does not answer.
    pub async fn token(&self) -> Result<String> {
        self.sign(&self.claims()).await
    }

    /// Envoy's log: one line per request, and its own messages.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = std::fs::read(self.gateway.envoy.process().log())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A path that nobody else asks for.
    #[must_use]
    pub fn own_path() -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        format!("/flows/Flow{}", NUMBER.fetch_add(1, Ordering::Relaxed))
    }
}

/// The gateway's program.
fn program() -> Result<PathBuf> {
    let images = workspace_images()?;
    images
        .get("namesake-gateway")
        .cloned()
        .context("no gateway")
}

/// The folder of screenshots, which stay after the tests.
#[must_use]
pub fn screenshots() -> PathBuf {
    workspace_root().join("target").join("endpoints")
}

/// Status code, `reason` and `message` of an answer of the gateway.
///
/// # Errors
/// Its body is not that of a refusal.
pub async fn refusal(answer: Response) -> Result<(u16, String, String)> {
    let status = answer.status().as_u16();
    let text = answer.text().await?;
    let body: Value =
        serde_json::from_str(&text).with_context(|| format!("{status}: {text:?} is not JSON"))?;
    let word = |key: &str| {
        body[key]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("no {key}: {text}"))
    };
    Ok((status, word("reason")?, word("message")?))
}

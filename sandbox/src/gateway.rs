//! The gateway on loopback: Envoy and our authorizer, an OpenID provider, and a metadata service behind them.
//!
//! People log in at `https://localhost:PORT`, programs send tokens to `https://127.0.0.1:PORT`: both names resolve everywhere.

mod authorizer;
pub mod browser;
mod envoy;
mod keys;
mod metadata_service;
mod provider;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use namesake_api::names::IAP_ISSUER;
use tokio::time::Instant;

use crate::{
    ISSUER, WorkFolder,
    host::{
        children::{Child, Children, Launch},
        ports,
    },
    programs::gateway::GatewayPrograms,
};

pub use authorizer::Authorizer;
pub use envoy::Envoy;
pub use keys::Keys;
pub use metadata_service::MetadataService;
pub use provider::{CLI_CLIENT, Provider, WEB_CLIENT};

/// The host at which people log in.
pub const UI_HOST: &str = "localhost";
/// The host to which programs send tokens.
pub const API_HOST: &str = "127.0.0.1";

/// A host behind Google's Identity-Aware Proxy, whose assertions the provider signs here. The name resolves nowhere.
pub const IAP_HOST: &str = "iap.localhost";
/// The audience of the proxy's assertions.
pub const IAP_AUDIENCE: &str = "/projects/1234/global/backendServices/5678";

const START_LIMIT: Duration = Duration::from_secs(60);

/// How to start a gateway.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program `namesake-gateway`.
    pub program: PathBuf,
    /// Lifetime of the provider's tokens.
    pub token_lifetime: Duration,
    /// How long Envoy uses a provider's keys before it reads them again.
    pub keys_cache: Duration,
    /// Issuer of the pods' tokens.
    pub cluster_issuer: String,
    /// More flags of `namesake-gateway render`.
    pub render: Vec<String>,
}

impl Options {
    /// Tokens of ten minutes, of the sandbox's cluster.
    #[must_use]
    pub fn new(program: &Path) -> Self {
        Self {
            program: program.to_path_buf(),
            token_lifetime: Duration::from_secs(600),
            keys_cache: Duration::from_secs(1),
            cluster_issuer: ISSUER.to_owned(),
            render: Vec::new(),
        }
    }
}

/// A running gateway, without the authorizer. Its processes stop with their [`Children`].
#[derive(Debug)]
pub struct Gateway {
    /// The provider.
    pub provider: Provider,
    /// The metadata service, which everybody could reach without the gateway.
    pub service: MetadataService,
    /// Envoy.
    pub envoy: Envoy,
    /// The installed programs.
    pub programs: GatewayPrograms,
    config: PathBuf,
    socket: PathBuf,
    keys: Keys,
}

impl Gateway {
    /// Starts provider, metadata service and Envoy. The authorizer may start before or afterwards; until then every request with a
    /// valid token is answered with 503.
    ///
    /// # Errors
    /// A package cannot be installed, or a program does not start: the message has the end of its log.
    pub async fn start(
        children: &Children,
        folder: &WorkFolder,
        options: &Options,
        say: fn(&str),
    ) -> Result<Self> {
        let programs = tokio::task::spawn_blocking(move || {
            GatewayPrograms::find_or_install(&mut |line| say(line))
        })
        .await
        .context("the installation was interrupted")??;
        let (port, provider_port) = (ports::free()?, ports::free()?);
        let origin = format!("https://{UI_HOST}:{port}");
        let provider = Provider::start(
            children,
            &programs,
            folder,
            provider_port,
            &[origin],
            options.token_lifetime,
        )
        .await?;
        let service = MetadataService::start(children, &programs.python, folder).await?;
        let place = folder.path().join("gateway");
        let keys = Keys::generate(&place)?;
        let socket = Self::socket_in(folder);
        let config = place.join("gateway.yaml");
        let text = config_text(&service, &provider, &options.cluster_issuer)?;
        std::fs::write(&config, text).context("cannot write gateway.yaml")?;
        let health = envoy::render(children, folder, options, &config, &socket, port).await?;
        let envoy = Envoy::start(children, &programs.envoy, folder, port, health).await?;
        Ok(Self {
            provider,
            service,
            envoy,
            programs,
            config,
            socket,
            keys,
        })
    }

    /// The Unix socket on which Envoy expects the authorizer, before the gateway starts.
    #[must_use]
    pub fn socket_in(folder: &WorkFolder) -> PathBuf {
        folder.path().join("authorizer.sock")
    }

    /// Where people log in.
    #[must_use]
    pub fn ui(&self) -> String {
        format!("https://{UI_HOST}:{}", self.envoy.port())
    }

    /// Where programs send tokens.
    #[must_use]
    pub fn api(&self) -> String {
        format!("https://{API_HOST}:{}", self.envoy.port())
    }

    /// The gateway's file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The Unix socket on which Envoy expects the authorizer.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Replaces the gateway's certificate, as the kubelet does after a Secret changed.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn renew_certificate(&self) -> Result<()> {
        self.keys.renew()
    }

    /// The authority that signed the gateway's certificate, a PEM file.
    #[must_use]
    pub fn authority(&self) -> &Path {
        self.keys.authority()
    }
}

fn config_text(
    service: &MetadataService,
    provider: &Provider,
    cluster_issuer: &str,
) -> Result<String> {
    let backend = service.url();
    let config = serde_json::json!({
        "apiVersion": "namesake.dev/v1alpha1",
        "kind": "GatewayConfig",
        "hosts": [
            {"name": UI_HOST, "serves": "ui", "backend": backend, "login": "acme"},
            {"name": API_HOST, "serves": "api", "backend": backend},
            {"name": IAP_HOST, "serves": "ui", "backend": backend, "login": "iap"},
        ],
        "issuers": [{
            "name": "iap",
            "issuer": IAP_ISSUER,
            "audiences": [IAP_AUDIENCE],
            "login": {"type": "iap"},
            // The provider's keys in place of Google's.
            "endpoints": {"keys": format!("{}/jwks", provider.url())},
        }, {
            "name": "acme",
            "issuer": provider.url(),
            "audiences": [WEB_CLIENT, CLI_CLIENT],
            "groups": {"claim": "groups"},
            "login": {
                "type": "oidc",
                "clientId": WEB_CLIENT,
                "secretName": keys::LOGIN_SECRET,
                "scopes": ["openid", "email", "groups", "offline_access"],
            },
        }],
        "cluster": {"audience": namesake_api::names::GATEWAY_AUDIENCE, "issuer": cluster_issuer},
    });
    Ok(serde_json::to_string_pretty(&config)?)
}

/// A client for plain HTTP on loopback.
fn client() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()
        .context("no HTTP client")
}

/// Waits until a process answers with success.
async fn wait_until_answered(
    client: &reqwest::Client,
    url: &str,
    process: &Child,
    limit: Duration,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !client
        .get(url)
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
    {
        if process.ended().is_some() {
            return Err(process.failure());
        }
        if Instant::now() > deadline {
            let seconds = limit.as_secs();
            return Err(process.failure())
                .with_context(|| format!("{url} did not answer within {seconds} s"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Runs a program until it ends.
async fn run(children: &Children, launch: &Launch) -> Result<()> {
    let child = children.spawn(launch)?;
    let exit = child.wait().await;
    if exit.code != 0 {
        return Err(child.failure());
    }
    Ok(())
}

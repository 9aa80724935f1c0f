//! The command that writes Envoy's configuration, before Envoy starts.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use clap::Args;
use namesake_api::names;
use namesake_service::parse_duration;

use super::{Options, Rendered, render, secrets};
use crate::{config::Config, discovery};

/// Write Envoy's configuration, after reading the discovery document of each issuer.
#[derive(Clone, Debug, Args)]
pub struct Render {
    /// The gateway's file.
    #[arg(long, default_value = names::GATEWAY_CONFIG_FILE)]
    pub config: PathBuf,
    /// Folder to write to, as Envoy sees it; Envoy starts with envoy.json in it.
    #[arg(long, default_value = names::GATEWAY_ENVOY_FOLDER)]
    pub output: PathBuf,
    /// Address and port for requests, over TLS.
    #[arg(long, default_value = names::GATEWAY_LISTEN)]
    pub listen: SocketAddr,
    /// Port in the addresses that people use.
    #[arg(long, default_value_t = 443)]
    pub public_port: u16,
    /// Address and port for health checks, over plain HTTP.
    #[arg(long, default_value = names::GATEWAY_HEALTH_LISTEN)]
    pub health_listen: SocketAddr,
    /// Folder with tls.crt and tls.key; renewed files are used without a restart.
    #[arg(long, default_value = names::GATEWAY_TLS_FOLDER)]
    pub tls: PathBuf,
    /// Folder with a folder for each Secret of a login, with its keys as files.
    #[arg(long, default_value = names::GATEWAY_LOGIN_FOLDER)]
    pub login_secrets: PathBuf,
    /// PEM file with the authorities of the issuers' certificates.
    #[arg(long, default_value = names::ISSUER_CA_FILE)]
    pub issuer_ca: PathBuf,
    /// The authorizer's Unix socket.
    #[arg(long, default_value = names::GATEWAY_SOCKET)]
    pub socket: PathBuf,
    /// Unix socket for Envoy's administration [default: none]
    #[arg(long)]
    pub admin_socket: Option<PathBuf>,
    /// How long an issuer's keys are used before they are read again; such as 5m.
    #[arg(long, default_value = "5m", value_parser = parse_duration)]
    pub keys_cache: Duration,
    /// Largest body of a request, in bytes.
    #[arg(long, default_value_t = 1 << 20)]
    pub max_body: u32,
    /// Largest number of requests per second and host; twice as many at once.
    #[arg(long, default_value_t = 5_000)]
    pub max_requests: u32,
    /// Largest number of requests per second and connection; twice as many at once.
    #[arg(long, default_value_t = 1_000)]
    pub max_connection_requests: u32,
    /// Number of proxies in front of Envoy, whose x-forwarded-for is right; 0 if it is reached directly.
    #[arg(long, default_value_t = 0)]
    pub trusted_hops: u32,
    /// After this time a websocket is closed, and the page opens a new one with its current login; such as 1h.
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    pub websocket_lifetime: Duration,
}

impl Render {
    /// Reads the gateway's file and the issuers' documents, and writes Envoy's files.
    ///
    /// # Errors
    /// The file has problems, a Secret of a login is missing, an issuer cannot be reached, or a file cannot be written.
    pub async fn run(&self) -> anyhow::Result<()> {
        let config = Config::load(&self.config)?;
        self.check_secrets(&config)?;
        let endpoints = discovery::endpoints(&config, &self.issuer_ca).await?;
        let rendered = render(&config, &endpoints, &self.options())?;
        self.write(&rendered)
    }

    fn options(&self) -> Options {
        Options {
            listen: self.listen,
            public_port: self.public_port,
            health_listen: self.health_listen,
            folder: self.output.clone(),
            tls: self.tls.clone(),
            login_secrets: self.login_secrets.clone(),
            issuer_ca: self.issuer_ca.clone(),
            socket: self.socket.clone(),
            admin_socket: self.admin_socket.clone(),
            keys_cache: self.keys_cache,
            max_body: self.max_body,
            max_requests: self.max_requests,
            max_connection_requests: self.max_connection_requests,
            trusted_hops: self.trusted_hops,
            websocket_lifetime: self.websocket_lifetime,
        }
    }

    /// Envoy would start without a client secret, and fail at the first login.
    fn check_secrets(&self, config: &Config) -> anyhow::Result<()> {
        for secret in secrets::secret_names(config) {
            for key in [names::CLIENT_SECRET_KEY, names::COOKIE_SECRET_KEY] {
                let path = self.login_secrets.join(secret).join(key);
                let is_empty = fs::metadata(&path).map_or(true, |file| file.len() == 0);
                if is_empty {
                    bail!(
                        "{} is missing or empty: create the Secret {secret} with the keys client-secret and cookie-secret, and mount it \
                         there (docs/endpoints.md)",
                        path.display()
                    );
                }
            }
        }
        Ok(())
    }

    fn write(&self, rendered: &Rendered) -> anyhow::Result<()> {
        fs::create_dir_all(&self.output)
            .with_context(|| format!("cannot create {}", self.output.display()))?;
        for (name, content) in &rendered.files {
            let path = self.output.join(name);
            let text = serde_json::to_string_pretty(content)?;
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

//! Envoy's configuration, from gateway.yaml and the issuers' endpoints. Everything here is pure, except the command.
//!
//! ```text
//! TLS ─▶ strip headers ─▶ [limits ─▶ login ─▶ token ─▶ authorizer] ─▶ service
//! ```
//!
//! A host without a token requirement of its own does not exist: requests for other hosts are answered with 421.

#![expect(
    clippy::needless_pass_by_value,
    reason = "JSON is put together from parts that are used once"
)]

mod access_log;
mod clusters;
mod command;
mod filters;
mod listeners;
mod replies;
mod routes;
mod secrets;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use namesake_api::names;
use serde_json::{Value, json};
use thiserror::Error;

use crate::config::{Config, Endpoints};

pub use command::Render;

/// Largest number of connections to one Envoy. Each costs some tens of kilobytes.
const MAX_CONNECTIONS: u32 = 10_000;

/// What Envoy's configuration depends on besides gateway.yaml.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where Envoy listens for requests, over TLS.
    pub listen: SocketAddr,
    /// The port in the addresses that people use.
    pub public_port: u16,
    /// Where Envoy listens for health checks, over plain HTTP.
    pub health_listen: SocketAddr,
    /// Folder of the rendered files, as Envoy sees it.
    pub folder: PathBuf,
    /// Folder with `tls.crt` and `tls.key`.
    pub tls: PathBuf,
    /// Folder with a folder for each Secret of a login.
    pub login_secrets: PathBuf,
    /// PEM file with the authorities of issuers' certificates.
    pub issuer_ca: PathBuf,
    /// The authorizer's Unix socket.
    pub socket: PathBuf,
    /// Unix socket for Envoy's administration; none: it has none.
    pub admin_socket: Option<PathBuf>,
    /// How long an issuer's keys are used before they are read again.
    pub keys_cache: Duration,
    /// Largest body of a request, in bytes.
    pub max_body: u32,
    /// Largest number of requests per second and host.
    pub max_requests: u32,
    /// Largest number of requests per second and connection.
    pub max_connection_requests: u32,
    /// Number of proxies in front of Envoy whose `x-forwarded-for` is right.
    pub trusted_hops: u32,
    /// After this time a websocket is closed, and the page opens a new one with its current login.
    pub websocket_lifetime: Duration,
}

/// Why there is no configuration.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RenderError {
    /// An endpoint of an issuer is missing.
    #[error(
        "the issuer {issuer:?} has no {endpoint} endpoint: add endpoints to it in gateway.yaml"
    )]
    NoEndpoint {
        /// Name of the issuer.
        issuer: String,
        /// Which one.
        endpoint: &'static str,
    },
    /// An address is none.
    #[error("{url:?} is not a URL with a host")]
    NotAUrl {
        /// As in gateway.yaml or in the issuer's document.
        url: String,
    },
}

/// Envoy's configuration: the file to start it with, and the files that it names.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Contents by file name.
    pub files: BTreeMap<String, Value>,
}

/// Renders Envoy's configuration. `endpoints` has those of every issuer, by name.
///
/// # Errors
/// An endpoint is missing or is not a URL.
pub fn render(
    config: &Config,
    endpoints: &BTreeMap<String, Endpoints>,
    options: &Options,
) -> Result<Rendered, RenderError> {
    let context = Context {
        config,
        endpoints,
        options,
    };
    let mut bootstrap = json!({
        "node": {"id": names::GATEWAY_SERVICE_ACCOUNT, "cluster": names::GATEWAY_SERVICE_ACCOUNT},
        "static_resources": {
            "listeners": [listeners::public(&context)?, listeners::health(options)],
            "clusters": clusters::clusters(&context)?,
        },
        "overload_manager": {"resource_monitors": [{
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                "max_active_downstream_connections": MAX_CONNECTIONS,
            },
        }]},
        "layered_runtime": {"layers": [{
            "name": "static",
            "static_layer": {
                // Cookies are encrypted with AES-GCM, and those of the older mode (CVE-2026-47775) are not accepted.
                "envoy.reloadable_features.oauth2_use_gcm_encryption": true,
                "envoy.reloadable_features.oauth2_legacy_cbc_decrypt_compat": false,
            },
        }]},
    });
    if let Some(socket) = &options.admin_socket {
        bootstrap["admin"] = json!({"address": {"pipe": {"path": socket}}});
    }
    let mut files = secrets::files(config, options);
    files.insert(names::ENVOY_CONFIG_FILE.to_owned(), bootstrap);
    Ok(Rendered { files })
}

/// What the parts of the configuration are rendered from.
struct Context<'a> {
    config: &'a Config,
    endpoints: &'a BTreeMap<String, Endpoints>,
    options: &'a Options,
}

impl Context<'_> {
    fn endpoints(&self, issuer: &str) -> Result<&Endpoints, RenderError> {
        let missing = || RenderError::NoEndpoint {
            issuer: issuer.to_owned(),
            endpoint: "keys",
        };
        self.endpoints.get(issuer).ok_or_else(missing)
    }
}

/// A duration as protobuf writes it in JSON.
fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

/// A file in a folder, as text.
fn file(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[cfg(test)]
mod tests;

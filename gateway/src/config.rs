//! The gateway's file, `gateway.yaml`: hosts, and the issuers whose tokens are accepted there.

use serde::{Deserialize, Serialize};

/// The file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// `namesake.dev/v1alpha1`.
    pub api_version: String,
    /// `GatewayConfig`.
    pub kind: String,
    /// Public hosts.
    pub hosts: Vec<Host>,
    /// Issuers of people's tokens.
    #[serde(default)]
    pub issuers: Vec<Issuer>,
    /// Tokens of task pods; without it none are accepted.
    #[serde(default)]
    pub cluster: Option<Cluster>,
}

/// What a host serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Serves {
    /// Metaflow's UI and Namesake's page, for browsers: people log in, and nothing can be changed there.
    Ui,
    /// The metadata service, for programs: each request has a token, and nothing is redirected.
    Api,
}

/// A public host.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Host {
    /// DNS name, without a port.
    pub name: String,
    /// What it serves.
    pub serves: Serves,
    /// URL of the service behind it: of `ui` the UI's backend (at `/api`), of `api` the metadata service.
    pub backend: String,
    /// URL of the UI's static files. Without it, `/` of a `ui` host leads to Namesake's page.
    #[serde(default)]
    pub r#static: Option<String>,
    /// Name of the issuer with which people log in at a `ui` host.
    #[serde(default)]
    pub login: Option<String>,
}

/// An issuer of people's tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// Name in this file.
    pub name: String,
    /// The claim `iss`, and the URL of its discovery document.
    pub issuer: String,
    /// Accepted values of the claim `aud`.
    pub audiences: Vec<String>,
    /// Accepted domains of e-mail addresses; none: any.
    #[serde(default)]
    pub domains: Vec<String>,
    /// The claim that becomes the requester.
    #[serde(default)]
    pub username: UsernameClaim,
    /// The claim with the requester's groups, if there is one.
    #[serde(default)]
    pub groups: Option<GroupsClaim>,
    /// How people log in with it in a browser.
    #[serde(default)]
    pub login: Option<Login>,
}

/// The claim that becomes the requester, as in an API server's `AuthenticationConfiguration`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsernameClaim {
    /// Its name. `email` requires `email_verified`.
    pub claim: String,
    /// What comes before its value.
    #[serde(default)]
    pub prefix: String,
}

impl Default for UsernameClaim {
    fn default() -> Self {
        Self {
            claim: "email".to_owned(),
            prefix: String::new(),
        }
    }
}

/// The claim with groups.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupsClaim {
    /// Its name.
    pub claim: String,
    /// What comes before each value.
    #[serde(default)]
    pub prefix: String,
}

/// How people log in.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, tag = "type")]
pub enum Login {
    /// OpenID Connect: authorization code with PKCE.
    #[serde(rename = "oidc", rename_all = "camelCase")]
    Oidc {
        /// Client id at the issuer.
        client_id: String,
        /// Secret in the gateway's namespace with the keys `client-secret` and `cookie-secret`.
        secret_name: String,
        /// Scopes; [`openid`, `email`] by default.
        #[serde(default)]
        scopes: Vec<String>,
    },
    /// Google's Identity-Aware Proxy in front of the gateway logs people in; its signed assertion is verified.
    #[serde(rename = "iap")]
    Iap,
}

/// Tokens of task pods.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Audience of the projected tokens.
    pub audience: String,
    /// Issuer of the cluster's tokens.
    pub issuer: String,
}

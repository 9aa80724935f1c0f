//! The gateway's file, `gateway.yaml`: hosts, and the issuers whose tokens are accepted there.

mod check;
mod places;

use std::{fs, path::Path};

use namesake_core::Problem;
use serde::{Deserialize, Serialize};
use serde_saphyr::MessageFormatter as _;
use thiserror::Error;

pub(crate) use check::issuer_url;
use places::Places;

/// `apiVersion` of the file.
pub const API_VERSION: &str = namesake_api::names::API_VERSION;
/// `kind` of the file.
pub const KIND: &str = "GatewayConfig";

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error(
        "cannot read {file}: {source}: mount the ConfigMap with gateway.yaml there, or name the file with --config"
    )]
    Unreadable {
        /// Its path.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// It has problems, at least one, in the order of the file.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

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

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or has problems: each with file, line, column, key, what is wrong and what to do.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&file, &text),
            Err(source) => Err(ConfigError::Unreadable { file, source }),
        }
    }

    /// Reads the text of the file of this name.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let config: Self = serde_saphyr::from_str(text).map_err(|error| {
            let error = error.without_snippet();
            ConfigError::Invalid(vec![Problem {
                file: file.to_owned(),
                line: error.location().map_or(1, |at| at.line()),
                column: error.location().map_or(1, |at| at.column()),
                key: String::new(),
                what: serde_saphyr::UserMessageFormatter
                    .format_message(error)
                    .into_owned(),
                remedy: "correct the file at this place; docs/endpoints.md lists its keys"
                    .to_owned(),
            }])
        })?;
        let found = check::check(&config);
        if found.is_empty() {
            return Ok(config);
        }
        let places = Places::of(text);
        let mut problems: Vec<Problem> = found
            .into_iter()
            .map(|check::Found { key, what, remedy }| {
                let (line, column) = places.find(&key);
                let (file, remedy) = (file.to_owned(), remedy.to_owned());
                Problem {
                    file,
                    line,
                    column,
                    key,
                    what,
                    remedy,
                }
            })
            .collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(ConfigError::Invalid(problems))
    }

    /// The issuer of this name.
    #[must_use]
    pub fn issuer(&self, name: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| issuer.name == name)
    }
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
    /// Its endpoints, in place of its discovery document.
    #[serde(default)]
    pub endpoints: Option<Endpoints>,
}

impl Issuer {
    /// Whether the claim `email` counts only with `email_verified: true`. Google's Identity-Aware Proxy does not write that claim.
    #[must_use]
    pub fn requires_verified_email(&self) -> bool {
        self.username.claim == "email" && self.login != Some(Login::Iap)
    }
}

/// Endpoints of an issuer, as in its discovery document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoints {
    /// Its public keys, a JSON Web Key Set.
    pub keys: String,
    /// Where people log in.
    #[serde(default)]
    pub authorization: Option<String>,
    /// Where a code becomes tokens.
    #[serde(default)]
    pub token: Option<String>,
    /// Where people log out, if there is such a place.
    #[serde(default)]
    pub end_session: Option<String>,
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
        /// Scopes; `openid` and `email` by default.
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

#[cfg(test)]
mod tests;

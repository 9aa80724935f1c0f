//! Reading the discovery document of an issuer (OpenID Connect Discovery 1.0).

use std::{collections::BTreeMap, path::Path, time::Duration};

use namesake_api::names;
use reqwest::{Certificate, Client, StatusCode, redirect};
use serde::Deserialize;
use thiserror::Error;

use crate::config::{Config, Endpoints, Issuer, Login, issuer_url};

/// How long a document may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest document, in bytes.
const MAX_BYTES: usize = 256 << 10;
const PATH: &str = "/.well-known/openid-configuration";

/// Why the endpoints of an issuer are not known.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    /// The file with certificates of authorities cannot be used.
    #[error("cannot use the certificates in {file}: {why}: name a PEM file with --issuer-ca")]
    Authorities {
        /// Its path.
        file: String,
        /// Why.
        why: String,
    },
    /// It does not answer, or its certificate is not accepted.
    #[error(
        "cannot reach {url}: {why}: check `issuer` in gateway.yaml, DNS, egress and the issuer's certificate (a private authority is \
         named with --issuer-ca)"
    )]
    Unreachable {
        /// Of the document.
        url: String,
        /// Why, with all causes.
        why: String,
    },
    /// It takes too long.
    #[error("{url} did not answer within {seconds} s: try again, or write `endpoints` of the issuer into gateway.yaml", seconds = TIMEOUT.as_secs())]
    Slow {
        /// Of the document.
        url: String,
    },
    /// Another answer than a document.
    #[error(
        "{url} answered {status}: check `issuer` in gateway.yaml: it is the claim `iss` of the issuer's tokens"
    )]
    Status {
        /// Of the document.
        url: String,
        /// The answer's code.
        status: StatusCode,
    },
    /// More than a document.
    #[error("{url} answered more than {MAX_BYTES} bytes: check `issuer` in gateway.yaml")]
    TooLarge {
        /// Of the document.
        url: String,
    },
    /// Something else than a document.
    #[error("{url} answered no discovery document: {why}: check `issuer` in gateway.yaml")]
    NotADocument {
        /// Of the document.
        url: String,
        /// Why.
        why: String,
    },
    /// The document of another issuer, whose tokens would be refused.
    #[error(
        "{url} is the document of the issuer {found:?}, not of {expected:?}: write `issuer` in gateway.yaml exactly as in the document"
    )]
    OtherIssuer {
        /// Of the document.
        url: String,
        /// In gateway.yaml.
        expected: String,
        /// In the document.
        found: String,
    },
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
}

/// The endpoints of all issuers by name: as in the file, or else from the issuer's document. `authorities` is a PEM file with the
/// certificates that issuers' certificates are checked with.
///
/// # Errors
/// The document of an issuer cannot be had, or is not one of that issuer.
pub async fn endpoints(
    config: &Config,
    authorities: &Path,
) -> Result<BTreeMap<String, Endpoints>, DiscoveryError> {
    let mut found = BTreeMap::new();
    for issuer in &config.issuers {
        let endpoints = match (&issuer.endpoints, &issuer.login) {
            (Some(given), _) => given.clone(),
            (None, Some(Login::Iap)) => iap(),
            (None, _) => discover(&client(authorities)?, issuer).await?,
        };
        found.insert(issuer.name.clone(), endpoints);
    }
    Ok(found)
}

/// Google's Identity-Aware Proxy has keys, and no document.
fn iap() -> Endpoints {
    Endpoints {
        keys: names::IAP_KEYS_URL.to_owned(),
        authorization: None,
        token: None,
        end_session: None,
    }
}

fn client(authorities: &Path) -> Result<Client, DiscoveryError> {
    let fail = |why: String| DiscoveryError::Authorities {
        file: authorities.display().to_string(),
        why,
    };
    let pem = std::fs::read(authorities).map_err(|error| fail(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| fail(causes(&error)))?;
    Client::builder()
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none())
        .tls_certs_only(certificates)
        .build()
        .map_err(|error| fail(causes(&error)))
}

async fn discover(client: &Client, issuer: &Issuer) -> Result<Endpoints, DiscoveryError> {
    let url = format!("{}{PATH}", issuer.issuer.trim_end_matches('/'));
    let failed = |error: reqwest::Error| match error.is_timeout() {
        true => DiscoveryError::Slow { url: url.clone() },
        false => DiscoveryError::Unreachable {
            url: url.clone(),
            why: causes(&error),
        },
    };
    let mut answer = client.get(&url).send().await.map_err(failed)?;
    if answer.status() != StatusCode::OK {
        return Err(DiscoveryError::Status {
            url,
            status: answer.status(),
        });
    }
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&part);
        if body.len() > MAX_BYTES {
            return Err(DiscoveryError::TooLarge { url });
        }
    }
    read(&url, issuer, &body)
}

fn read(url: &str, issuer: &Issuer, body: &[u8]) -> Result<Endpoints, DiscoveryError> {
    let not_a_document = |why: String| DiscoveryError::NotADocument {
        url: url.to_owned(),
        why,
    };
    let document: Document =
        serde_json::from_slice(body).map_err(|error| not_a_document(error.to_string()))?;
    if document.issuer != issuer.issuer {
        return Err(DiscoveryError::OtherIssuer {
            url: url.to_owned(),
            expected: issuer.issuer.clone(),
            found: document.issuer,
        });
    }
    let endpoints = Endpoints {
        keys: document.jwks_uri,
        authorization: document.authorization_endpoint,
        token: document.token_endpoint,
        end_session: document.end_session_endpoint,
    };
    let logs_in = issuer.login.is_some();
    if logs_in && (endpoints.authorization.is_none() || endpoints.token.is_none()) {
        return Err(not_a_document(
            "authorization_endpoint or token_endpoint is missing".to_owned(),
        ));
    }
    let urls = [
        Some(&endpoints.keys),
        endpoints.authorization.as_ref(),
        endpoints.token.as_ref(),
        endpoints.end_session.as_ref(),
    ];
    for url in urls.into_iter().flatten() {
        issuer_url(url).map_err(not_a_document)?;
    }
    Ok(endpoints)
}

/// An error with all its causes: reqwest's own text does not say what is wrong with a certificate.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The endpoints in a document, as [`endpoints`] reads them.
#[cfg(test)]
pub(crate) fn read_for_tests(issuer: &Issuer, document: &[u8]) -> Endpoints {
    match issuer.login {
        Some(Login::Iap) => iap(),
        _ => read("", issuer, document).unwrap(),
    }
}

#[cfg(test)]
mod tests;

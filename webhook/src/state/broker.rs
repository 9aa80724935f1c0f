//! Client of the broker's API, with a limit of time for each call. `State::broker_calls` joins simultaneous calls for one identity.

use std::path::PathBuf;
use std::time::Duration;

use arc_swap::ArcSwap;
use namesake_api::broker_api::{ErrorBody, IdentityAnswer, IdentityRequest};
use namesake_api::names;
use namesake_core::Reason;
use reqwest::Url;
use rustls::RootCertStore;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::review::refused::Refused;

/// Pauses before a call whose connection failed is repeated: at once, for another replica, then while the Service still routes to
/// the replica that is gone.
const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(300),
];

/// A request for an identity. The broker checks it, and derives everything else from its own copy of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The identity.
    pub request: IdentityRequest,
    /// Revision of the rules that decided, sent in a header: a broker that has others in force must not answer by them.
    pub revision: String,
}

/// Why there is no identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Failure {
    reason: Reason,
    is_final: bool,
    message: String,
}

impl Failure {
    /// The broker did not answer.
    pub(crate) fn unavailable(why: impl std::fmt::Display) -> Self {
        Self {
            reason: Reason::BrokerUnavailable,
            is_final: false,
            message: format!(
                "the broker, which creates identities, did not answer ({why}); users who have their identity already are not affected: \
                 try again in a minute, and if it lasts ask the platform team to look at the namesake-broker pods"
            ),
        }
    }

    // The error that the broker answered. 403 is final; everything else may pass by itself, also what this webhook did
    // wrong (401, 404), which its users cannot fix.
    fn of_answer(status: u16, body: &[u8]) -> Self {
        let Ok(ErrorBody { error }) = serde_json::from_slice(body) else {
            return Self::unavailable(format!("HTTP {status} without a reason"));
        };
        match error.reason() {
            Some(reason) => Self {
                reason,
                is_final: status == 403 && reason.is_lasting(),
                message: error.message,
            },
            None => Self {
                reason: Reason::BrokerUnavailable,
                is_final: false,
                message: format!("{} (the broker's reason: {})", error.message, error.reason),
            },
        }
    }

    /// Whether the broker refuses for good.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.is_final
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            code: if failure.is_final { 403 } else { 503 },
            ..Self::new(failure.reason, failure.message)
        }
    }
}

/// Where the broker is, and how this webhook authenticates to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base URL: `https`, or `http` to this machine itself.
    pub url: Url,
    /// File with the webhook's token; read again for every call, because the kubelet replaces it.
    pub token_file: PathBuf,
    /// Longest wait for an answer.
    pub deadline: Duration,
}

/// Client of the broker's API.
#[derive(Debug)]
pub struct Broker {
    settings: Settings,
    address: Url,
    http: ArcSwap<reqwest::Client>,
}

impl Broker {
    /// A client that trusts these root certificates only.
    ///
    /// # Errors
    /// When the URL is neither `https` nor on this machine, or the TLS settings are not consistent.
    pub fn new(settings: Settings, roots: RootCertStore) -> anyhow::Result<Self> {
        let host = settings.url.host_str().unwrap_or_default();
        let is_local = ["127.0.0.1", "[::1]", "localhost"].contains(&host);
        if settings.url.scheme() != "https" && !is_local {
            anyhow::bail!(
                "--broker-url {}: must be https, or http to 127.0.0.1, [::1] or localhost",
                settings.url
            );
        }
        let address = settings.url.join(names::IDENTITIES_PATH)?;
        let http = ArcSwap::from_pointee(client(roots)?);
        Ok(Self {
            settings,
            address,
            http,
        })
    }

    /// Trusts other root certificates from the next call on.
    ///
    /// # Errors
    /// When the TLS settings are not consistent; the old roots stay.
    pub fn trust(&self, roots: RootCertStore) -> anyhow::Result<()> {
        self.http.store(client(roots)?.into());
        Ok(())
    }

    /// Has the broker create the identity, unless it exists. A refusal is not retried here: the controller that creates the pods
    /// does that. A failed connection is, because the broker's replicas come and go, and two calls create one identity.
    ///
    /// # Errors
    /// Why there is no identity.
    pub async fn ask(&self, question: &Question) -> Result<IdentityAnswer, Failure> {
        let deadline = self.settings.deadline;
        let call = tokio::time::timeout(deadline, self.call(question)).await;
        call.unwrap_or_else(|_| Err(Failure::unavailable(format!("not within {deadline:?}"))))
    }

    async fn call(&self, question: &Question) -> Result<IdentityAnswer, Failure> {
        let token = self.token().await?;
        let body = serde_json::to_vec(&question.request).map_err(Failure::unavailable)?;
        let mut pauses = PAUSES.into_iter();
        let (status, body) = loop {
            let failed = match self.send(question, &token, body.clone()).await {
                Ok(answer) => break answer,
                Err(failed) => failed,
            };
            let Some(pause) = pauses.next() else {
                return Err(Failure::unavailable(root_cause(&failed.without_url())));
            };
            tokio::time::sleep(pause).await;
        };
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|e| Failure::unavailable(format!("its answer cannot be read: {e}")));
        }
        Err(Failure::of_answer(status.as_u16(), &body))
    }

    async fn send(
        &self,
        question: &Question,
        token: &SecretString,
        body: Vec<u8>,
    ) -> reqwest::Result<(reqwest::StatusCode, Vec<u8>)> {
        let http = self.http.load_full();
        let request = http
            .post(self.address.clone())
            .bearer_auth(token.expose_secret())
            .header("content-type", "application/json")
            .header(names::RULES_REVISION_HEADER, &question.revision)
            .body(body);
        let response = request.send().await?;
        Ok((response.status(), response.bytes().await?.to_vec()))
    }

    async fn token(&self) -> Result<SecretString, Failure> {
        let path = &self.settings.token_file;
        let file = path.display();
        let text = tokio::fs::read_to_string(path).await.map_err(|e| {
            Failure::unavailable(format!(
                "the webhook's token cannot be read from {file}: {e}"
            ))
        })?;
        if text.trim().is_empty() {
            return Err(Failure::unavailable(format!(
                "the webhook's token in {file} is empty"
            )));
        }
        Ok(SecretString::from(text.trim().to_owned()))
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

fn client(roots: RootCertStore) -> anyhow::Result<reqwest::Client> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    Ok(client)
}

#[cfg(test)]
mod tests;

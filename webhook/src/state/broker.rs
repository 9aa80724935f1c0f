//! Asks the broker for an identity: HTTPS, one call per identity at a time, and never longer than the review may wait.

mod flight;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use arc_swap::ArcSwap;
use namesake_api::names;
use reqwest::Url;
use rustls::RootCertStore;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use flight::Flights;

use crate::review::reason::RefusalReason;

/// Reason of a 403 that is about us and not about the user: our token is not the webhook's.
const NOT_THE_WEBHOOK: &str = "NotTheWebhook";

/// Waits before a call whose connection failed is made again: at once, for another replica, then while the service still
/// leads to the one that is gone.
const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(300),
];

/// What is asked for. The broker checks it, and derives everything else from its own copy of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Question {
    /// Namespace of the pod.
    pub namespace: String,
    /// Identity class.
    pub class: String,
    /// Canonical user; empty when the class is not per user and has none.
    pub user: String,
    /// Proven groups of the requester that the rules mention.
    pub groups: Vec<String>,
    /// Values of the class's `per`.
    pub values: BTreeMap<String, String>,
    /// Revision of the rules that decided, in a header: a broker that has others in force must not answer by them.
    #[serde(skip)]
    pub revision: String,
}

/// An identity that is there: its KSA exists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Name of the identity and of its KSA.
    pub name: String,
    /// UID of the KSA.
    pub service_account_uid: String,
    /// Whether it is known to work at Google.
    pub ready: bool,
}

/// Why there is no identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// The broker says no; asking again does not help.
    #[error("{message}")]
    Refused {
        /// The broker's own word.
        reason: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// What may pass by itself: a conflict, a limit, or a broker that is away.
    #[error("{message}")]
    Later {
        /// Reason for programs: the broker's own, or `BrokerUnavailable`.
        reason: String,
        /// What is wrong and what to do.
        message: String,
    },
}

impl Failure {
    pub(crate) fn away(what: impl std::fmt::Display) -> Self {
        Self::Later {
            reason: RefusalReason::BrokerUnavailable.to_string(),
            message: format!(
                "the broker, which makes identities, did not answer ({what}); users who have theirs already are not \
                 affected: try again in a minute, and if it lasts ask the platform team to look at the namesake-broker pods"
            ),
        }
    }
}

/// Where the broker is and how to show who we are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base URL: `https`, or `http` to this machine itself.
    pub url: Url,
    /// File with our token; read again for every call, because the kubelet replaces it.
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

#[derive(Deserialize)]
struct Refusal {
    error: RefusalBody,
}

#[derive(Deserialize)]
struct RefusalBody {
    reason: String,
    message: String,
}

impl Broker {
    /// A client that trusts these roots and nobody else.
    ///
    /// # Errors
    /// When the URL is neither `https` nor on this machine, or the TLS settings do not fit together.
    pub fn new(settings: Settings, roots: RootCertStore) -> anyhow::Result<Self> {
        let host = settings.url.host_str().unwrap_or_default();
        let local = ["127.0.0.1", "[::1]", "localhost"].contains(&host);
        if settings.url.scheme() != "https" && !local {
            anyhow::bail!("broker URL {}: must be https", settings.url);
        }
        let address = settings.url.join(names::IDENTITIES_PATH)?;
        let http = ArcSwap::from_pointee(client(roots)?);
        Ok(Self {
            settings,
            address,
            http,
        })
    }

    /// Trusts other roots from the next call on.
    ///
    /// # Errors
    /// When the TLS settings do not fit together; the old roots stay.
    pub fn trust(&self, roots: RootCertStore) -> anyhow::Result<()> {
        self.http.store(client(roots)?.into());
        Ok(())
    }

    /// Longest wait for an answer.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.settings.deadline
    }

    /// Asks. A refusal is not asked again here: whoever creates pods does that. A connection that fails is, because the
    /// broker's replicas come and go, and asking twice makes one identity.
    ///
    /// # Errors
    /// Why there is no identity.
    pub async fn ask(&self, question: &Question) -> Result<Answer, Failure> {
        let call = self.call(question);
        match tokio::time::timeout(self.settings.deadline, call).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::away(format!(
                "not within {:?}",
                self.settings.deadline
            ))),
        }
    }

    async fn call(&self, question: &Question) -> Result<Answer, Failure> {
        let token = self.token().await?;
        let asked = serde_json::to_vec(question).map_err(Failure::away)?;
        let mut pauses = PAUSES.into_iter();
        let (status, body) = loop {
            let failed = match self.once(question, &token, asked.clone()).await {
                Ok(answer) => break answer,
                Err(failed) => failed,
            };
            let Some(pause) = pauses.next() else {
                return Err(Failure::away(root_cause(&failed.without_url())));
            };
            tokio::time::sleep(pause).await;
        };
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|e| Failure::away(format!("its answer cannot be read: {e}")));
        }
        Err(refused(status.as_u16(), &body))
    }

    async fn once(
        &self,
        question: &Question,
        token: &SecretString,
        asked: Vec<u8>,
    ) -> reqwest::Result<(reqwest::StatusCode, Vec<u8>)> {
        let http = self.http.load_full();
        let request = http
            .post(self.address.clone())
            .bearer_auth(token.expose_secret())
            .header("content-type", "application/json")
            .header(names::RULES_REVISION_HEADER, &question.revision)
            .body(asked);
        let response = request.send().await?;
        Ok((response.status(), response.bytes().await?.to_vec()))
    }

    async fn token(&self) -> Result<SecretString, Failure> {
        let file = &self.settings.token_file;
        let text = tokio::fs::read_to_string(file).await.map_err(|e| {
            Failure::away(format!(
                "our own token cannot be read from {}: {e}",
                file.display()
            ))
        })?;
        if text.trim().is_empty() {
            let file = file.display();
            return Err(Failure::away(format!("our own token in {file} is empty")));
        }
        Ok(SecretString::from(text.trim().to_owned()))
    }
}

// 403 says no; everything else may pass by itself, also what we ourselves did wrong (401, 404), which people cannot mend.
fn refused(status: u16, body: &[u8]) -> Failure {
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if status == 403 && refusal.error.reason != NOT_THE_WEBHOOK => {
            Failure::Refused {
                reason: refusal.error.reason,
                message: refusal.error.message,
            }
        }
        Ok(refusal) => Failure::Later {
            reason: refusal.error.reason,
            message: refusal.error.message,
        },
        Err(_) => Failure::away(format!("HTTP {status} without a reason")),
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
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn settings(url: &str) -> Settings {
        Settings {
            url: Url::parse(url).unwrap(),
            token_file: PathBuf::from("/nowhere/token"),
            deadline: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_broker_elsewhere_without_tls_is_refused() {
        let made = Broker::new(settings("http://broker.example:1"), RootCertStore::empty());
        assert!(made.unwrap_err().to_string().contains("must be https"));
        Broker::new(settings("http://127.0.0.1:1"), RootCertStore::empty()).unwrap();
    }

    #[test]
    fn only_403_with_a_reason_is_final() {
        let body = br#"{"error":{"code":1,"reason":"R","message":"ask #ml"}}"#;
        assert_eq!(
            refused(403, body),
            Failure::Refused {
                reason: "R".to_owned(),
                message: "ask #ml".to_owned()
            }
        );
        for status in [400, 401, 404, 409, 429, 500, 503] {
            assert!(
                matches!(refused(status, body), Failure::Later { reason, .. } if reason == "R")
            );
        }
        assert!(matches!(refused(403, b"<html>"), Failure::Later { .. }));
        let ours = br#"{"error":{"code":403,"reason":"NotTheWebhook","message":"m"}}"#;
        assert!(matches!(refused(403, ours), Failure::Later { .. }));
    }

    #[tokio::test]
    async fn a_missing_token_is_a_failure_that_names_the_file() {
        let broker = Broker::new(settings("http://127.0.0.1:1"), RootCertStore::empty()).unwrap();
        let question = Question {
            namespace: "n".to_owned(),
            class: "c".to_owned(),
            user: "u".to_owned(),
            groups: Vec::new(),
            values: BTreeMap::new(),
            revision: String::new(),
        };
        let failure = broker.ask(&question).await.unwrap_err();
        assert!(failure.to_string().contains("/nowhere/token"));
    }

    /// A broker whose first `cut` connections end in the middle of a request; then it answers. Gives its address and how
    /// many connections came.
    async fn coming_and_going(cut: usize) -> (String, Arc<AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let came = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&came);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                if number >= cut {
                    let body = r#"{"name":"n","serviceAccountUid":"u","ready":true}"#;
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(head.as_bytes()).await;
                }
            }
        });
        (url, came)
    }

    fn asked() -> Question {
        Question {
            namespace: "n".to_owned(),
            class: "c".to_owned(),
            user: "u".to_owned(),
            groups: Vec::new(),
            values: BTreeMap::new(),
            revision: "r".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_replica_that_ends_in_the_middle_of_a_call_is_not_noticed() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "token").unwrap();
        for (cut, answered, came) in [(0, true, 1), (1, true, 2), (PAUSES.len() + 1, false, 5)] {
            let (url, connections) = coming_and_going(cut).await;
            let settings = Settings {
                token_file: file.path().to_owned(),
                deadline: Duration::from_secs(20),
                ..settings(&url)
            };
            let broker = Broker::new(settings, RootCertStore::empty()).unwrap();
            let answer = broker.ask(&asked()).await;
            assert_eq!(answer.is_ok(), answered, "{cut}: {answer:?}");
            assert_eq!(connections.load(Ordering::SeqCst), came, "{cut}");
        }
    }
}

//! The identity of a pod: its KSA, or the GSA in the KSA's annotation.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::client::{Answer, Http};
use super::identity::{AccessToken, Cache, Identity, MetadataError};
use crate::api::principal::pool_name;

const GSA_ANNOTATION: &str = "iam.gke.io/gcp-service-account";
const PRINCIPAL_ANNOTATION: &str = "iam.gke.io/return-principal-id-as-email";
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The KSA of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodAccount {
    /// The pod's namespace.
    pub namespace: String,
    /// `spec.serviceAccountName`
    pub name: String,
    /// The KSA's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// An error of the cluster. Never holds a token.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Access to the cluster, which the node has.
pub trait TokenSource: Send + Sync + 'static {
    /// The pod's KSA. It is read for each request, because an annotation may change while the pod runs.
    fn account(&self) -> impl Future<Output = Result<PodAccount, SourceError>> + Send;
    /// A token of that KSA for `audience`, by TokenRequest.
    fn token(
        &self,
        audience: &str,
    ) -> impl Future<Output = Result<SecretString, SourceError>> + Send;
}

/// The identity of one pod.
#[derive(Debug)]
pub struct Pod<S> {
    source: S,
    http: Http,
    pool: String,
    project_number: u64,
    issuer: String,
    cache: Cache,
}

impl<S: TokenSource> Pod<S> {
    /// `base_url` is the URL of the emulator, `pool` the workload pool of the cluster's project, `project_number` the
    /// number of that project, `issuer` the cluster's URL in its tokens.
    pub fn new(base_url: &str, pool: &str, project_number: u64, issuer: &str, source: S) -> Self {
        Self {
            source,
            http: Http::new(base_url),
            pool: pool.to_owned(),
            project_number,
            issuer: issuer.to_owned(),
            cache: Cache::default(),
        }
    }

    async fn account(&self) -> Result<PodAccount, MetadataError> {
        let account = self.source.account().await;
        account.map_err(|error| {
            MetadataError::internal(format!("cannot read the service account: {error}"))
        })
    }

    async fn access_token(&self, scopes: Vec<String>) -> Result<AccessToken, MetadataError> {
        let account = self.account().await?;
        let gsa = google_account(&account);
        let key = gsa.unwrap_or_default();
        if let Some(token) = self.cache.get(key, &scopes) {
            return Ok(token);
        }
        let token = match gsa {
            Some(gsa) => {
                let (federated, _) = self.exchange(CLOUD_PLATFORM).await?;
                self.impersonate(&federated, gsa, &scopes).await?
            }
            None => {
                let (federated, lifetime) = self.exchange(&scopes.join(" ")).await?;
                AccessToken::new(federated, lifetime)
            }
        };
        self.cache.put(key, scopes, &token);
        Ok(token)
    }

    /// Gets a token of the KSA and exchanges it with STS.
    async fn exchange(&self, scope: &str) -> Result<(SecretString, Duration), MetadataError> {
        let subject = self.source.token(&self.pool).await;
        let subject = subject.map_err(|error| {
            MetadataError::internal(format!("cannot get a service account token: {error}"))
        })?;
        let request = json!({
            "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": format!("identitynamespace:{}:{}", self.pool, self.issuer),
            "scope": scope,
            "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
            "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
            "subjectToken": subject.expose_secret(),
        });
        let answer = self.http.post("/v1/token", None, &request).await?;
        if answer.status != 200 {
            return Err(refused("Unable to exchange token; STS", 500, &answer));
        }
        let seconds = answer
            .body
            .get("expires_in")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        Ok((
            answer.text("access_token").into(),
            Duration::from_secs(seconds),
        ))
    }

    /// An ID token of the linked GSA, from IAM credentials.
    async fn id_token(&self, audience: String) -> Result<String, MetadataError> {
        let account = self.account().await?;
        let Some(gsa) = google_account(&account) else {
            return Err(MetadataError {
                status: 404,
                message: format!(
                    "service account {}/{} has no annotation {GSA_ANNOTATION}: only a Google service account has ID tokens",
                    account.namespace, account.name
                ),
            });
        };
        let (federated, _) = self.exchange(CLOUD_PLATFORM).await?;
        let path = format!("/v1/projects/-/serviceAccounts/{gsa}:generateIdToken");
        let request = json!({"audience": audience, "includeEmail": true});
        let answer = self.http.post(&path, Some(&federated), &request).await?;
        match answer.status {
            200 => Ok(answer.text("token").to_owned()),
            status => Err(refused("Unable to generate ID token; IAM", status, &answer)),
        }
    }

    async fn impersonate(
        &self,
        federated: &SecretString,
        gsa: &str,
        scopes: &[String],
    ) -> Result<AccessToken, MetadataError> {
        let path = format!("/v1/projects/-/serviceAccounts/{gsa}:generateAccessToken");
        let request = json!({"scope": scopes, "lifetime": "3600s"});
        let answer = self.http.post(&path, Some(federated), &request).await?;
        if answer.status != 200 {
            return Err(refused(
                "Unable to generate access token; IAM",
                answer.status,
                &answer,
            ));
        }
        let expires: Timestamp = answer
            .text("expireTime")
            .parse()
            .map_err(|error| MetadataError::internal(format!("expireTime: {error}")))?;
        let left = expires
            .duration_since(Timestamp::now())
            .try_into()
            .unwrap_or(Duration::ZERO);
        Ok(AccessToken::new(answer.text("accessToken"), left))
    }
}

impl<S: TokenSource> Identity for Pod<S> {
    fn email(&self) -> BoxFuture<'_, Result<String, MetadataError>> {
        async {
            let account = self.account().await?;
            if let Some(gsa) = google_account(&account) {
                return Ok(gsa.to_owned());
            }
            let principal = account
                .annotations
                .get(PRINCIPAL_ANNOTATION)
                .is_some_and(|value| value == "true");
            if !principal {
                return Ok(self.pool.clone());
            }
            let pool = pool_name(self.project_number, &self.pool);
            Ok(format!(
                "principal://{pool}/subject/ns/{}/sa/{}",
                account.namespace, account.name
            ))
        }
        .boxed()
    }

    fn token(&self, scopes: Vec<String>) -> BoxFuture<'_, Result<AccessToken, MetadataError>> {
        self.access_token(scopes).boxed()
    }

    fn identity_token(&self, audience: String) -> BoxFuture<'_, Result<String, MetadataError>> {
        self.id_token(audience).boxed()
    }
}

fn google_account(account: &PodAccount) -> Option<&str> {
    let gsa = account.annotations.get(GSA_ANNOTATION)?.trim();
    (!gsa.is_empty()).then_some(gsa)
}

fn refused(what: &str, status: u16, answer: &Answer) -> MetadataError {
    MetadataError {
        status,
        message: format!(
            "{what} returned {}: {}",
            answer.status_line(),
            answer.error()
        ),
    }
}

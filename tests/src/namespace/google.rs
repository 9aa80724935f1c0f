//! What a task finds at Google: over the wire as it is, or as it would be without planned failures.

use anyhow::{Context, Result, bail, ensure};
use namesake_api::{Grant, IdentitySpec, Mode};
use namesake_sandbox::WORKLOAD_POOL;
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::TestNamespace;
use crate::google::email;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How a task came to a token, and how it was received: HTTP statuses in the order of the calls.
#[derive(Debug)]
pub struct Attempt {
    /// Of the exchange at STS.
    pub exchange: u16,
    /// Of generateAccessToken; 0 if there was nothing to ask with.
    pub credentials: u16,
    federated: Option<SecretString>,
    token: Option<SecretString>,
}

/// How Google is asked.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// As a task asks: planned failures and all.
    Wire,
    /// What it would hear if nothing failed.
    Truth,
}

impl TestNamespace {
    /// What a task of this service account does when it starts: token of the cluster, exchange, token of the GSA.
    ///
    /// # Errors
    /// The cluster gives no token, or Google does not answer at all.
    pub async fn login_attempt(&self, account: &str) -> Result<Attempt> {
        self.attempt_at(account, &email(account), Way::Wire).await
    }

    async fn attempt_at(&self, account: &str, gsa: &str, way: Way) -> Result<Attempt> {
        let cluster = self.stack.cluster();
        let subject = cluster.token(&self.name, account, &[WORKLOAD_POOL]).await?;
        let (exchange, answer) = self
            .ask(self.exchange(&subject, &cluster.issuer()), way)
            .await?;
        let text = |key: &str, answer: &Value| answer[key].as_str().map(str::to_owned);
        let mut attempt = Attempt {
            exchange,
            credentials: 0,
            federated: text("access_token", &answer).map(Into::into),
            token: None,
        };
        if let Some(federated) = &attempt.federated {
            let verb = format!("{gsa}:generateAccessToken");
            let url = format!(
                "{}/v1/projects/-/serviceAccounts/{verb}",
                self.stack.google().base_url()
            );
            let asking = self
                .stack
                .google()
                .http()
                .post(url)
                .bearer_auth(federated.expose_secret());
            let asking = asking.json(&json!({"scope": [SCOPE]}));
            let (credentials, answer) = self.ask(asking, way).await?;
            attempt.credentials = credentials;
            attempt.token = text("accessToken", &answer).map(Into::into);
        }
        Ok(attempt)
    }

    fn exchange(&self, subject: &SecretString, issuer: &str) -> RequestBuilder {
        let form = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            (
                "audience",
                &format!("identitynamespace:{WORKLOAD_POOL}:{issuer}"),
            ),
            ("scope", SCOPE),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("subject_token", subject.expose_secret()),
        ];
        let url = format!("{}/v1/token", self.stack.google().base_url());
        self.stack.google().http().post(url).form(&form)
    }

    async fn ask(&self, request: RequestBuilder, way: Way) -> Result<(u16, Value)> {
        match way {
            Way::Wire => {
                let answer = request.send().await?;
                Ok((answer.status().as_u16(), answer.json().await?))
            }
            Way::Truth => {
                let request = request.build()?;
                let body = request.body().and_then(|body| body.as_bytes());
                let body = body.unwrap_or_default().to_vec();
                let request = http::Request::try_from(request)?.map(|_| body);
                Ok(self.stack.google().state().call(request).await)
            }
        }
    }

    /// Who Google says a task of this service account is: an e-mail.
    ///
    /// # Errors
    /// Google refuses the task.
    pub async fn google_identity(&self, account: &str) -> Result<String> {
        let attempt = self.login_attempt(account).await?;
        let token = attempt
            .token
            .as_ref()
            .with_context(|| format!("Google refuses the task: {attempt:?}"))?;
        let url = format!("{}/tokeninfo", self.stack.google().base_url());
        let asked = self
            .stack
            .google()
            .http()
            .get(url)
            .query(&[("access_token", token.expose_secret())])
            .send()
            .await?;
        ensure!(asked.status().is_success(), "tokeninfo: {}", asked.status());
        let info: Value = asked.json().await?;
        info["email"]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("no e-mail in {info}"))
    }

    /// Whether an identity really works now: a task of its service account gets a token, and may do with it what the storage
    /// grants of the spec say. Planned failures do not count; what Google does not believe yet does.
    ///
    /// # Errors
    /// What does not work.
    pub async fn works_at_google(&self, name: &str, spec: &IdentitySpec) -> Result<()> {
        let gsa = spec.google_service_account.as_deref().unwrap_or_default();
        let attempt = self.attempt_at(name, gsa, Way::Truth).await?;
        let token = match spec.mode {
            Mode::Impersonate => attempt.token.as_ref(),
            Mode::Direct => attempt.federated.as_ref(),
        };
        let token = token.with_context(|| format!("no token: {attempt:?}"))?;
        // What is given to a pinned account is its owner's business.
        for grant in spec.grants.iter().filter(|_| !spec.pinned) {
            let (url, permissions) = self.test_of(grant)?;
            let wanted: Vec<_> = permissions.iter().map(|p| ("permissions", *p)).collect();
            let asking = self.stack.google().http().get(url).query(&wanted);
            let asking = asking.bearer_auth(token.expose_secret());
            let (status, answer) = self.ask(asking, Way::Truth).await?;
            let has = answer["permissions"].as_array().map_or(0, Vec::len);
            ensure!(
                status == 200 && has == wanted.len(),
                "{grant:?} does not work: {status} {answer}"
            );
        }
        Ok(())
    }

    /// Where a storage grant shows, and by which permissions.
    fn test_of(&self, grant: &Grant) -> Result<(String, &'static [&'static str])> {
        let permissions: &[&str] = match grant.role.as_str() {
            "roles/storage.objectUser" => &["storage.objects.get", "storage.objects.create"],
            "roles/storage.objectViewer" => &["storage.objects.get"],
            role => bail!("nobody here knows what {role} gives"),
        };
        let bucket = grant.bucket.as_deref().context("a grant on no bucket")?;
        let mut path = format!("{}/storage/v1/b/{bucket}", self.stack.google().base_url());
        if let Some(folder) = &grant.folder {
            path = format!("{path}/managedFolders/{}", folder.replace('/', "%2F"));
        }
        Ok((format!("{path}/iam/testPermissions"), permissions))
    }
}

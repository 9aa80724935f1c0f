//! Access of a task to Google: over the network, or in-process without planned faults.

use anyhow::{Context, Result, bail, ensure};
use namesake_api::{Grant, IdentitySpec, Mode};
use namesake_sandbox::WORKLOAD_POOL;
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::TestNamespace;
use crate::google::email;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A login of a task at Google: the HTTP statuses of its calls, in order, and its tokens.
#[derive(Debug)]
pub struct Attempt {
    /// Status of the token exchange at STS.
    pub exchange: u16,
    /// Status of generateAccessToken; 0 if it was not called, for lack of a federated token.
    pub credentials: u16,
    federated: Option<SecretString>,
    token: Option<SecretString>,
}

/// How requests reach the emulator.
#[derive(Debug, Clone, Copy)]
enum Transport {
    /// Over the network like a task, with planned faults.
    Network,
    /// In this process, without planned faults.
    InProcess,
}

impl TestNamespace {
    /// Logs in like a starting task of this service account: cluster token, exchange, GSA token.
    ///
    /// # Errors
    /// The cluster issues no token, or Google does not answer.
    pub async fn login_attempt(&self, account: &str) -> Result<Attempt> {
        self.attempt_at(account, &email(account), Transport::Network)
            .await
    }

    async fn attempt_at(&self, account: &str, gsa: &str, transport: Transport) -> Result<Attempt> {
        let cluster = self.stack.cluster();
        let subject = cluster.token(&self.name, account, &[WORKLOAD_POOL]).await?;
        let (exchange, answer) = self
            .ask(self.exchange(&subject, &cluster.issuer()), transport)
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
            let request = self
                .stack
                .google()
                .http()
                .post(url)
                .bearer_auth(federated.expose_secret());
            let request = request.json(&json!({"scope": [SCOPE]}));
            let (credentials, answer) = self.ask(request, transport).await?;
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

    async fn ask(&self, request: RequestBuilder, transport: Transport) -> Result<(u16, Value)> {
        match transport {
            Transport::Network => {
                let answer = request.send().await?;
                Ok((answer.status().as_u16(), answer.json().await?))
            }
            Transport::InProcess => {
                let request = request.build()?;
                let body = request.body().and_then(|body| body.as_bytes());
                let body = body.unwrap_or_default().to_vec();
                let request = http::Request::try_from(request)?.map(|_| body);
                Ok(self.stack.google().state().call(request).await)
            }
        }
    }

    /// The e-mail of a task of this service account, according to Google.
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
        let response = self
            .stack
            .google()
            .http()
            .get(url)
            .query(&[("access_token", token.expose_secret())])
            .send()
            .await?;
        ensure!(
            response.status().is_success(),
            "tokeninfo: {}",
            response.status()
        );
        let info: Value = response.json().await?;
        info["email"]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("no e-mail in {info}"))
    }

    /// Checks that an identity works now: a task of its service account gets a token, and has the permissions of the storage
    /// grants in the spec. Planned faults do not count; changes that IAM has not propagated yet do.
    ///
    /// # Errors
    /// Something does not work.
    pub async fn works_at_google(&self, name: &str, spec: &IdentitySpec) -> Result<()> {
        let gsa = spec.google_service_account.as_deref().unwrap_or_default();
        let attempt = self.attempt_at(name, gsa, Transport::InProcess).await?;
        let token = match spec.mode {
            Mode::Impersonate => attempt.token.as_ref(),
            Mode::Direct => attempt.federated.as_ref(),
        };
        let token = token.with_context(|| format!("no token: {attempt:?}"))?;
        // The owner of a pinned account manages its grants.
        for grant in spec.grants.iter().filter(|_| !spec.pinned) {
            let (url, permissions) = self.permission_test(grant)?;
            let wanted: Vec<_> = permissions.iter().map(|p| ("permissions", *p)).collect();
            let request = self.stack.google().http().get(url).query(&wanted);
            let request = request.bearer_auth(token.expose_secret());
            let (status, answer) = self.ask(request, Transport::InProcess).await?;
            let has = answer["permissions"].as_array().map_or(0, Vec::len);
            ensure!(
                status == 200 && has == wanted.len(),
                "{grant:?} does not work: {status} {answer}"
            );
        }
        Ok(())
    }

    /// The URL of testIamPermissions for a storage grant, and the permissions that the grant gives.
    fn permission_test(&self, grant: &Grant) -> Result<(String, &'static [&'static str])> {
        let permissions: &[&str] = match grant.role.as_str() {
            "roles/storage.objectUser" => &["storage.objects.get", "storage.objects.create"],
            "roles/storage.objectViewer" => &["storage.objects.get"],
            role => bail!("the permissions of {role} are not known here"),
        };
        let bucket = grant
            .bucket
            .as_deref()
            .context("the grant names no bucket")?;
        let mut path = format!("{}/storage/v1/b/{bucket}", self.stack.google().base_url());
        if let Some(folder) = &grant.folder {
            path = format!("{path}/managedFolders/{}", folder.replace('/', "%2F"));
        }
        Ok((format!("{path}/iam/testPermissions"), permissions))
    }
}

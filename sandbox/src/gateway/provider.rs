//! The OpenID provider: alice, bob and admin with verified addresses, mallory with an unverified one. Each password is the name.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    WorkFolder,
    gateway::{START_LIMIT, client, wait_until_answered},
    host::children::{Child, Children, Launch},
    programs::gateway::GatewayPrograms,
};

/// The client of the gateway's login.
pub const WEB_CLIENT: &str = "metaflow-web";
/// Its secret.
pub(super) const WEB_SECRET: &str = "web-secret";
/// The client of programs, which log in by the device flow.
pub const CLI_CLIENT: &str = "metaflow-cli";

/// A running provider.
#[derive(Debug)]
pub struct Provider {
    url: String,
    process: Child,
}

impl Provider {
    /// Starts it on a port. `origins` are those of the hosts at which people log in, without a slash at the end.
    ///
    /// # Errors
    /// It does not start: the message has the end of its log.
    pub async fn start(
        children: &Children,
        programs: &GatewayPrograms,
        folder: &WorkFolder,
        port: u16,
        origins: &[String],
        token_lifetime: Duration,
    ) -> Result<Self> {
        let each = |path: &str| {
            origins
                .iter()
                .map(|origin| format!("{origin}{path}"))
                .collect::<Vec<_>>()
        };
        let settings = json!({
            "port": port,
            "redirectUris": each(namesake_api::names::LOGIN_PATH),
            "logoutUris": each("/"),
            "tokenSeconds": token_lifetime.as_secs(),
        });
        let script = programs.script("provider.mjs")?.display().to_string();
        let args = vec![script, settings.to_string()];
        let launch = Launch::new(
            "oidc-provider",
            &programs.node.program,
            args,
            &folder.logs(),
        );
        let provider = Self {
            url: format!("http://127.0.0.1:{port}"),
            process: children.spawn(&launch)?,
        };
        let document = format!("{}/.well-known/openid-configuration", provider.url);
        wait_until_answered(&client()?, &document, &provider.process, START_LIMIT).await?;
        Ok(provider)
    }

    /// Its URL: the claim `iss` of its tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Child {
        &self.process
    }

    /// A token with this header (beyond `alg` and `kid`) and these claims, signed with the current key.
    ///
    /// # Errors
    /// The provider does not answer.
    pub async fn sign(&self, header: &Value, claims: &Value) -> Result<String> {
        let body = json!({"header": header, "claims": claims});
        self.ask("sign", &body).await
    }

    /// Replaces the signing key. Tokens of the old one are not valid any more.
    ///
    /// # Errors
    /// The provider does not answer.
    pub async fn rotate_keys(&self) -> Result<()> {
        self.ask("rotate", &json!({})).await.map(drop)
    }

    async fn ask(&self, what: &str, body: &Value) -> Result<String> {
        let url = format!("{}/sandbox/{what}", self.url);
        let answer = client()?
            .post(&url)
            .json(body)
            .send()
            .await
            .with_context(|| url.clone())?;
        if !answer.status().is_success() {
            bail!("{url} answered {}", answer.status());
        }
        Ok(answer.text().await?)
    }
}

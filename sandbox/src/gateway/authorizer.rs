//! The authorizer: `namesake-gateway serve`, with the rights of its service account and no others.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};
use namesake_api::names::{self, GATEWAY_SERVICE_ACCOUNT};
use secrecy::{ExposeSecret, SecretString};

use super::{Gateway, START_LIMIT, client, wait_until_answered};
use crate::{
    ControlPlane, WorkFolder,
    host::{
        children::{Child, Children, Launch},
        ports,
    },
    kubernetes::users::{ADMIN, kubeconfig, kubeconfig_path, write_private},
};

/// Longer than a sandbox runs, in seconds: nobody renews the token in the kubeconfig.
const TOKEN_SECONDS: i64 = 30 * 24 * 3600;

/// A running authorizer.
#[derive(Debug)]
pub struct Authorizer {
    metrics: String,
    process: Child,
}

impl Authorizer {
    /// Starts it for a gateway, and waits until it is ready. Its service account, role bindings and rules are in this namespace.
    ///
    /// # Errors
    /// There is no such account, or the program does not start: the message has the end of its log.
    pub async fn start(
        children: &Children,
        program: &Path,
        folder: &WorkFolder,
        gateway: &Gateway,
        control_plane: &ControlPlane,
        namespace: &str,
    ) -> Result<Self> {
        let token = token(control_plane, namespace).await?;
        let config = kubeconfig_path(&folder.kubeconfigs(), GATEWAY_SERVICE_ACCOUNT);
        let credential = format!("token: {}", token.expose_secret());
        let text = kubeconfig(
            GATEWAY_SERVICE_ACCOUNT,
            control_plane.server(),
            control_plane.ca_pem(),
            &credential,
        );
        write_private(&config, &text)?;
        let metrics = format!("127.0.0.1:{}", ports::free()?);
        let args = vec!["serve".to_owned()];
        let mut launch = Launch::new("authorizer", program, args, &folder.logs());
        let path = |path: &Path| path.display().to_string();
        launch.env = [
            ("KUBECONFIG", path(&config)),
            ("NO_PROXY", "127.0.0.1".to_owned()),
            (names::ENV_NAMESPACE, namespace.to_owned()),
            (names::ENV_GATEWAY_CONFIG, path(gateway.config())),
            (names::ENV_GATEWAY_SOCKET, path(gateway.socket())),
            (names::ENV_METRICS_LISTEN, metrics.clone()),
            (names::ENV_DRAIN, "0s".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let authorizer = Self {
            metrics: format!("http://{metrics}"),
            process: children.spawn(&launch)?,
        };
        let ready = format!("{}{}", authorizer.metrics, names::READY_PATH);
        wait_until_answered(&client()?, &ready, &authorizer.process, START_LIMIT).await?;
        Ok(authorizer)
    }

    /// Its metrics, as Prometheus reads them.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn metrics(&self) -> Result<String> {
        let url = format!("{}{}", self.metrics, names::METRICS_PATH);
        let answer = client()?.get(&url).send().await.with_context(|| url)?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Stops it, and waits until it ended.
    pub async fn stop(&self) {
        self.process.stop(Duration::from_secs(5)).await;
    }
}

/// A token of its service account, for the API server.
async fn token(control_plane: &ControlPlane, namespace: &str) -> Result<SecretString> {
    let admin = control_plane.client(ADMIN).await?;
    let accounts = Api::<ServiceAccount>::namespaced(admin, namespace);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(GATEWAY_SERVICE_ACCOUNT, &PostParams::default(), &request)
        .await
        .context("cannot get a token for the gateway's service account")?;
    let status = answer.status.context("the TokenRequest has no status")?;
    Ok(status
        .token
        .context("the TokenRequest has no token")?
        .into())
}

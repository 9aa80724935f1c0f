//! The authorizer: `namesake-gateway serve`, with the rights of its service account and no others.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use namesake_api::names::{self, GATEWAY_SERVICE_ACCOUNT};

use super::{Gateway, START_LIMIT, client, wait_until_answered};
use crate::{
    ControlPlane, WorkFolder,
    host::{
        children::{Child, Children, Launch},
        ports,
    },
    kubernetes::account::write_account_kubeconfig,
};

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
        let config =
            write_account_kubeconfig(control_plane, namespace, GATEWAY_SERVICE_ACCOUNT, folder)
                .await?;
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

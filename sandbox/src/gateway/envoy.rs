//! Envoy, with the configuration that our command renders.

use std::{path::Path, time::Duration};

use anyhow::Result;
use namesake_api::names::{ENVOY_CONFIG_FILE, GATEWAY_HEALTH_PATH};

use super::{Options, START_LIMIT, client, keys, run, wait_until_answered};
use crate::{
    WorkFolder,
    host::{
        children::{Child, Children, Launch},
        ports,
    },
};

/// The folder of the rendered files, below the gateway's.
const ENVOY: &str = "envoy";

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    port: u16,
    process: Child,
}

/// Renders the configuration, as the init container of the gateway's pod does.
pub(super) async fn render(
    children: &Children,
    folder: &WorkFolder,
    options: &Options,
    config: &Path,
    socket: &Path,
    port: u16,
) -> Result<u16> {
    let place = folder.path().join("gateway");
    let health = ports::free()?;
    let text = |path: &Path| path.display().to_string();
    let args = [
        ["--config", &text(config)],
        ["--output", &text(&place.join(ENVOY))],
        ["--listen", &format!("127.0.0.1:{port}")],
        ["--public-port", &port.to_string()],
        ["--health-listen", &format!("127.0.0.1:{health}")],
        ["--tls", &text(&place.join(keys::TLS))],
        ["--login-secrets", &text(&place.join(keys::LOGIN))],
        ["--issuer-ca", &text(&place.join("ca.crt"))],
        ["--socket", &text(socket)],
        [
            "--keys-cache",
            &format!("{}s", options.keys_cache.as_secs()),
        ],
    ];
    let mut args: Vec<String> = args.into_iter().flatten().map(str::to_owned).collect();
    args.insert(0, "render".to_owned());
    args.extend(options.render.iter().cloned());
    run(
        children,
        &Launch::new("render", &options.program, args, &folder.logs()),
    )
    .await?;
    Ok(health)
}

impl Envoy {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// It does not start: the message has the end of its log.
    pub(super) async fn start(
        children: &Children,
        program: &Path,
        folder: &WorkFolder,
        port: u16,
        health: u16,
    ) -> Result<Self> {
        let config = folder
            .path()
            .join("gateway")
            .join(ENVOY)
            .join(ENVOY_CONFIG_FILE);
        let args = [
            "--config-path",
            &config.display().to_string(),
            // Several may run on one machine; and with it Envoy ends when the thread ends that started it.
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
            // Whoever runs a sandbox looks at the access log right after a request.
            "--file-flush-interval-msec",
            "100",
        ];
        let args = args.map(str::to_owned).into();
        let launch = Launch::new("envoy", program, args, &folder.logs());
        let envoy = Self {
            port,
            process: children.spawn(&launch)?,
        };
        let health = format!("http://127.0.0.1:{health}{GATEWAY_HEALTH_PATH}");
        wait_until_answered(&client()?, &health, &envoy.process, START_LIMIT).await?;
        Ok(envoy)
    }

    /// The port for requests, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process; its log has one line per request.
    #[must_use]
    pub fn process(&self) -> &Child {
        &self.process
    }

    /// Stops it, and waits until it ended.
    pub async fn stop(&self) {
        self.process.stop(Duration::from_secs(5)).await;
    }
}

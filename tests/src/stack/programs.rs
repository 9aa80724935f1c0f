//! Starts, stops and kills the webhook and the broker of a stack.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Parser;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Client;
use namesake_api::names::{BROKER_SERVICE_ACCOUNT, HOSTNAME, WEBHOOK_SERVICE_ACCOUNT};
use namesake_broker::{Config, Timings};
use tokio::sync::Mutex;

use super::{LEASE, Stack, program::Program, service::Service};

impl Stack {
    /// Kills the webhook; all admission fails until it starts again.
    pub async fn kill_webhook(&self) {
        kill(&self.webhook).await;
    }

    /// Stops the webhook like a rollout, and waits until it has stopped.
    pub async fn stop_webhook(&self) {
        if let Some(program) = self.webhook.lock().await.take() {
            program.stop().await;
        }
    }

    /// Starts the webhook again, on the same port.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_webhook(&self) -> Result<()> {
        self.run_webhook(listener(Some(self.webhook_address))?)
            .await?;
        self.wait_until_ready(&self.webhook_url()).await
    }

    /// Starts a second webhook at this address or on a free port, and waits until it is ready. After a stop, it answers for the
    /// duration of `drain` before it closes its port.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_webhook_at(
        &self,
        address: Option<SocketAddr>,
        drain: Duration,
    ) -> Result<(Program, SocketAddr)> {
        let listener = listener(address)?;
        let address = listener.local_addr()?;
        let program = self.launch_webhook(listener, drain).await?;
        self.wait_until_ready(&format!("https://{address}")).await?;
        Ok((program, address))
    }

    /// Kills the webhook, and listens on its port like a Service in front of several replicas.
    ///
    /// # Errors
    /// Its port is not free.
    pub async fn replace_webhook_by_service(&self) -> Result<Service> {
        self.kill_webhook().await;
        Service::start(listener(Some(self.webhook_address))?, self.https()?)
    }

    /// Kills the broker.
    pub async fn kill_broker(&self) {
        kill(&self.broker).await;
    }

    /// Stops the broker like a rollout, and waits until it has stopped.
    pub async fn stop_broker(&self) {
        if let Some(program) = self.broker.lock().await.take() {
            program.stop().await;
        }
    }

    /// Starts a second broker on a free port, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_another_broker(&self) -> Result<Program> {
        Ok(self.start_broker_at(None).await?.0)
    }

    /// Starts a second broker at this address or on a free port, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_broker_at(
        &self,
        address: Option<SocketAddr>,
    ) -> Result<(Program, SocketAddr)> {
        let listener = listener(address)?;
        let address = listener.local_addr()?;
        let program = self.launch_broker(listener, self::listener(None)?).await?;
        self.wait_until_ready(&format!("https://{address}")).await?;
        Ok((program, address))
    }

    /// Stops the broker, and listens on its port like a Service in front of several replicas.
    ///
    /// # Errors
    /// Its port is not free.
    pub async fn replace_broker_by_service(&self) -> Result<Service> {
        self.stop_broker().await;
        Service::start(listener(Some(self.broker_address))?, self.https()?)
    }

    /// Starts the broker again, on the same port.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_broker(&self) -> Result<()> {
        self.run_broker(listener(Some(self.broker_address))?)
            .await?;
        self.wait_until_ready(&self.broker_url()).await
    }

    pub(super) async fn run_webhook(&self, listener: TcpListener) -> Result<()> {
        *self.webhook.lock().await = Some(self.launch_webhook(listener, Duration::ZERO).await?);
        Ok(())
    }

    async fn launch_webhook(&self, listener: TcpListener, drain: Duration) -> Result<Program> {
        let token_file = self.token_file.display().to_string();
        let deadline = format!("{}ms", self.options.broker_deadline.as_millis());
        let upkeep = Timings::scaled(self.options.speed).upkeep;
        let upkeep = format!("{}ms", upkeep.as_millis());
        let drain = format!("{}ms", drain.as_millis());
        let home = self.home();
        let flags = [
            ["--namespace", &home],
            ["--broker-url", &self.broker_url()],
            ["--broker-token-file", &token_file],
            ["--broker-deadline", &deadline],
            ["--upkeep", &upkeep],
            ["--tls-names", "127.0.0.1"],
            ["--drain", &drain],
            ["--trusted-webhooks", self.options.trusted_webhooks],
            ["--replica", HOSTNAME],
        ];
        let flags = ["namesake-webhook"]
            .into_iter()
            .chain(flags.into_iter().flatten());
        let args = namesake_webhook::Args::try_parse_from(flags)?;
        let config = self.config_of(WEBHOOK_SERVICE_ACCOUNT).await?;
        let metrics = self.metrics.listen_for_webhook()?;
        Program::start("webhook", async move |stop| {
            let client = Client::try_from(config)?;
            namesake_webhook::run(&args, client, listener, metrics, stop).await
        })
    }

    pub(super) async fn run_broker(&self, listener: TcpListener) -> Result<()> {
        let metrics = self.metrics.listen_for_broker()?;
        *self.broker.lock().await = Some(self.launch_broker(listener, metrics).await?);
        Ok(())
    }

    async fn launch_broker(&self, listener: TcpListener, metrics: TcpListener) -> Result<Program> {
        let ahead = Arc::clone(&self.options.ahead);
        let mut config = Config {
            namespace: self.home(),
            tls_names: vec![Ipv4Addr::LOCALHOST.to_string()],
            identities_per_minute: self.options.identities_per_minute,
            timings: Timings {
                // Short, so that the successor of a killed broker does not wait long.
                lease: LEASE,
                ..Timings::scaled(self.options.speed)
            },
            clock: Arc::new(move || {
                let ahead = SignedDuration::from_secs(ahead.load(Ordering::Relaxed));
                Timestamp::now().saturating_add(ahead).unwrap_or_default()
            }),
            ..Config::default()
        };
        (self.options.tune)(&mut config);
        let kube = self.config_of(BROKER_SERVICE_ACCOUNT).await?;
        let google = self.google.broker_credentials();
        Program::start("broker", async move |stop| {
            let (client, gcp) = (Client::try_from(kube)?, google.connect().await?);
            namesake_broker::run(config, client, gcp, listener, metrics, stop).await
        })
    }
}

async fn kill(program: &Mutex<Option<Program>>) {
    if let Some(program) = program.lock().await.take() {
        program.kill().await;
    }
}

pub(super) fn listener(address: Option<SocketAddr>) -> Result<TcpListener> {
    let address = address.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

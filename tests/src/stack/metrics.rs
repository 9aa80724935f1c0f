//! Metrics of the webhook and the broker.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};
use namesake_api::names::METRICS_PATH;

use super::{Stack, programs::listener};

/// The addresses at which the programs serve metrics; they change with each restart.
#[derive(Default)]
pub(super) struct MetricsAddresses {
    webhook: Mutex<Option<SocketAddr>>,
    broker: Mutex<Option<SocketAddr>>,
}

impl MetricsAddresses {
    pub(super) fn listen_for_webhook(&self) -> Result<TcpListener> {
        listen(&self.webhook)
    }

    pub(super) fn listen_for_broker(&self) -> Result<TcpListener> {
        listen(&self.broker)
    }
}

fn listen(address: &Mutex<Option<SocketAddr>>) -> Result<TcpListener> {
    let listener = listener(None)?;
    *address.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener.local_addr()?);
    Ok(listener)
}

fn url(address: &Mutex<Option<SocketAddr>>) -> Result<String> {
    let address = *address.lock().unwrap_or_else(PoisonError::into_inner);
    let address = address.context("it was never started")?;
    Ok(format!("http://{address}"))
}

impl Stack {
    /// Base URL of the webhook's metrics.
    ///
    /// # Errors
    /// The webhook was never started.
    pub fn webhook_metrics_url(&self) -> Result<String> {
        url(&self.metrics.webhook)
    }

    /// Base URL of the broker's metrics.
    ///
    /// # Errors
    /// The broker was never started.
    pub fn broker_metrics_url(&self) -> Result<String> {
        url(&self.metrics.broker)
    }

    /// The metrics of the webhook, in Prometheus' text format.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn webhook_metrics(&self) -> Result<String> {
        scrape(&self.webhook_metrics_url()?).await
    }

    /// The metrics of the broker, in Prometheus' text format.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn broker_metrics(&self) -> Result<String> {
        scrape(&self.broker_metrics_url()?).await
    }
}

/// The metrics at this base URL.
///
/// # Errors
/// Nothing answers there.
pub async fn scrape(url: &str) -> Result<String> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let response = client.get(format!("{url}{METRICS_PATH}")).send().await?;
    Ok(response.error_for_status()?.text().await?)
}

//! Where webhook and broker serve their metrics.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};
use namesake_api::names::METRICS_PATH;

use super::{Stack, programs::listener};

/// The addresses of the programs that run now; another one after each restart.
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
    let address = address.context("it does not run")?;
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

    /// What the webhook counts, in the text format of OpenMetrics.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn webhook_metrics(&self) -> Result<String> {
        scrape(&self.webhook_metrics_url()?).await
    }

    /// What the broker counts, in the text format of OpenMetrics.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn broker_metrics(&self) -> Result<String> {
        scrape(&self.broker_metrics_url()?).await
    }
}

/// The metrics that are served at this base URL.
///
/// # Errors
/// Nobody answers there.
pub async fn scrape(url: &str) -> Result<String> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let response = client.get(format!("{url}{METRICS_PATH}")).send().await?;
    Ok(response.error_for_status()?.text().await?)
}

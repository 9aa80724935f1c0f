//! The Service in front of replicas: each new connection goes to a ready one.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use namesake_sandbox::kubernetes::service;
use tokio::{sync::watch, task::AbortHandle};

/// The interval of readiness checks. A kubelet's is longer; that is why replicas drain.
const READINESS_INTERVAL: Duration = Duration::from_millis(100);

/// Forwards connections to replicas until it is dropped.
pub struct Service {
    replicas: Arc<Mutex<Vec<SocketAddr>>>,
    _forwarding: service::Service,
    checks: AbortHandle,
}

impl Service {
    /// Listens here; `https` trusts the replicas' certificates.
    ///
    /// # Errors
    /// The listener cannot be made asynchronous.
    pub(crate) fn start(listener: TcpListener, https: reqwest::Client) -> Result<Self> {
        let replicas: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let all = Arc::clone(&replicas);
        let (ready, addresses) = watch::channel(Vec::new());
        let checks = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(READINESS_INTERVAL);
            loop {
                ticks.tick().await;
                let all = locked(&all).clone();
                ready.send_replace(ready_replicas(&https, all).await);
            }
        });
        Ok(Self {
            replicas,
            _forwarding: service::Service::to(listener, addresses)?,
            checks: checks.abort_handle(),
        })
    }

    /// Adds a replica.
    pub fn add(&self, replica: SocketAddr) {
        locked(&self.replicas).push(replica);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.checks.abort();
    }
}

async fn ready_replicas(https: &reqwest::Client, all: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let checks = all.into_iter().map(async |replica| {
        let answer = https.get(format!("https://{replica}/readyz")).send().await;
        let ready = answer.is_ok_and(|answer| answer.status().is_success());
        ready.then_some(replica)
    });
    let ready = futures::future::join_all(checks).await;
    ready.into_iter().flatten().collect()
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

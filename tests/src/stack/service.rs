//! What a Service is to the replicas behind it: each new connection goes to one that says it is ready.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use namesake_sandbox::kubernetes::service;
use tokio::{sync::watch, task::AbortHandle};

/// Between two looks at whether a replica is ready: a kubelet takes longer, which is what the replica's drain is for.
const LOOK: Duration = Duration::from_millis(100);

/// Leads connections to replicas until it is dropped.
pub struct Service {
    replicas: Arc<Mutex<Vec<SocketAddr>>>,
    _leads: service::Service,
    looks: AbortHandle,
}

impl Service {
    /// Answers on this listener; `https` trusts the replicas' certificates.
    ///
    /// # Errors
    /// The operating system does not give the listener up.
    pub(crate) fn start(listener: TcpListener, https: reqwest::Client) -> Result<Self> {
        let replicas: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let all = Arc::clone(&replicas);
        let (ready, addresses) = watch::channel(Vec::new());
        let looks = tokio::spawn(async move {
            let mut look = tokio::time::interval(LOOK);
            loop {
                look.tick().await;
                let all = locked(&all).clone();
                ready.send_replace(ready_of(&https, all).await);
            }
        });
        Ok(Self {
            replicas,
            _leads: service::Service::to(listener, addresses)?,
            looks: looks.abort_handle(),
        })
    }

    /// Looks at this replica from now on too.
    pub fn has(&self, replica: SocketAddr) {
        locked(&self.replicas).push(replica);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.looks.abort();
    }
}

async fn ready_of(https: &reqwest::Client, all: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let looks = all.into_iter().map(async |replica| {
        let answer = https.get(format!("https://{replica}/readyz")).send().await;
        let ready = answer.is_ok_and(|answer| answer.status().is_success());
        ready.then_some(replica)
    });
    let ready = futures::future::join_all(looks).await;
    ready.into_iter().flatten().collect()
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

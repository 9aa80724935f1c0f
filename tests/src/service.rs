//! What a Service is to the replicas behind it: each new connection goes to one that says it is ready.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use tokio::{
    net::TcpStream,
    task::{AbortHandle, JoinSet},
};

/// Between two looks at whether a replica is ready: a kubelet takes longer, which is what the replica's drain is for.
const LOOK: Duration = Duration::from_millis(100);

/// Leads connections to replicas until it is dropped.
pub struct Service {
    replicas: Arc<Mutex<Vec<SocketAddr>>>,
    task: AbortHandle,
}

/// Which of the replicas are ready.
#[derive(Default)]
struct Endpoints {
    ready: Mutex<Vec<SocketAddr>>,
    next: AtomicUsize,
}

impl Service {
    /// Answers on this listener; `https` trusts the replicas' certificates.
    ///
    /// # Errors
    /// The operating system does not give the listener up.
    pub(crate) fn start(listener: TcpListener, https: reqwest::Client) -> Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let replicas: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let (all, endpoints) = (Arc::clone(&replicas), Arc::<Endpoints>::default());
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let mut look = tokio::time::interval(LOOK);
            loop {
                tokio::select! {
                    _ = look.tick() => {
                        let all = locked(&all).clone();
                        connections.spawn(probe(https.clone(), all, Arc::clone(&endpoints)));
                    }
                    Ok((stream, _)) = listener.accept() => {
                        connections.spawn(lead(stream, endpoints.next()));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        let task = task.abort_handle();
        Ok(Self { replicas, task })
    }

    /// Looks at this replica from now on too.
    pub fn has(&self, replica: SocketAddr) {
        locked(&self.replicas).push(replica);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Endpoints {
    fn next(&self) -> Option<SocketAddr> {
        let ready = locked(&self.ready);
        let at = self.next.fetch_add(1, Ordering::Relaxed) % ready.len().max(1);
        ready.get(at).copied()
    }
}

async fn probe(https: reqwest::Client, all: Vec<SocketAddr>, endpoints: Arc<Endpoints>) {
    let looks = all.into_iter().map(async |replica| {
        let answer = https.get(format!("https://{replica}/readyz")).send().await;
        let ready = answer.is_ok_and(|answer| answer.status().is_success());
        ready.then_some(replica)
    });
    let ready = futures::future::join_all(looks).await;
    *locked(&endpoints.ready) = ready.into_iter().flatten().collect();
}

/// Without a replica that is ready the connection ends, as it does at a Service without endpoints.
async fn lead(mut from: TcpStream, to: Option<SocketAddr>) {
    let Some(to) = to else { return };
    if let Ok(mut to) = TcpStream::connect(to).await {
        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

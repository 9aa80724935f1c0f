//! What a Service is to the pods behind it, where there is no service network: each new connection goes to one that is ready.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, TcpListener},
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::{
    net::TcpStream,
    sync::watch,
    task::{AbortHandle, JoinSet},
};

/// Leads connections to what is ready, until it is dropped.
#[derive(Debug)]
pub struct Service {
    tasks: Vec<AbortHandle>,
}

impl Service {
    /// Answers on this listener for the pods that have this label, on the listener's own port.
    ///
    /// # Errors
    /// The operating system does not give the listener up.
    pub fn of_pods(listener: TcpListener, pods: Api<Pod>, label: &str) -> Result<Self> {
        let port = listener.local_addr()?.port();
        let (ready, addresses) = watch::channel(Vec::new());
        let mut service = Self::to(listener, addresses)?;
        let config = watcher::Config::default().labels(label);
        let followed = tokio::spawn(follow(pods, config, port, ready));
        service.tasks.push(followed.abort_handle());
        Ok(service)
    }

    /// Answers on this listener for whatever is ready at the moment.
    ///
    /// # Errors
    /// The operating system does not give the listener up.
    pub fn to(listener: TcpListener, ready: watch::Receiver<Vec<SocketAddr>>) -> Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)
            .context("cannot answer in the place of a Service")?;
        let task = tokio::spawn(async move {
            let next = AtomicUsize::new(0);
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        let ready = ready.borrow();
                        let at = next.fetch_add(1, Ordering::Relaxed) % ready.len().max(1);
                        connections.spawn(lead(stream, ready.get(at).copied()));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self {
            tasks: vec![task.abort_handle()],
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn follow(
    pods: Api<Pod>,
    config: watcher::Config,
    port: u16,
    ready: watch::Sender<Vec<SocketAddr>>,
) {
    let mut events = pin!(watcher::watcher(pods, config).default_backoff());
    let mut known = BTreeMap::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => known.clear(),
            Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                known.insert(pod.metadata.name.clone(), address(&pod));
            }
            Ok(Event::Delete(pod)) => {
                known.remove(&pod.metadata.name);
            }
            Ok(Event::InitDone) => {}
            Err(error) => tracing::debug!(%error, "the watch of a Service's pods begins again"),
        }
        let addresses = known.values().flatten();
        let addresses = addresses.map(|address| SocketAddr::new(*address, port));
        ready.send_replace(addresses.collect());
    }
}

// Where a pod answers; none while it is not ready, or is about to end.
fn address(pod: &Pod) -> Option<IpAddr> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let is_ready = conditions.any(|it| it.type_ == "Ready" && it.status == "True");
    let answers = is_ready && pod.metadata.deletion_timestamp.is_none();
    status.pod_ip.as_ref()?.parse().ok().filter(|_| answers)
}

/// Without anything that is ready the connection ends, as it does at a Service without endpoints.
async fn lead(mut from: TcpStream, to: Option<SocketAddr>) {
    let Some(to) = to else { return };
    if let Ok(mut to) = TcpStream::connect(to).await {
        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(change: impl FnOnce(&mut Value)) -> Pod {
        let mut pod = json!({"metadata": {"name": "p"}, "status": {"podIP": "127.128.0.1",
            "conditions": [{"type": "Ready", "status": "True"}]}});
        change(&mut pod);
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn a_pod_answers_while_it_is_ready_and_not_about_to_end() {
        assert!(address(&pod(|_| {})).is_some());
        let waits = |pod: &mut Value| pod["status"]["conditions"][0]["status"] = json!("False");
        assert_eq!(address(&pod(waits)), None);
        let ends = |pod: &mut Value| {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        };
        assert_eq!(address(&pod(ends)), None);
    }
}

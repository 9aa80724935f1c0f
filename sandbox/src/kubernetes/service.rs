//! A Service without a service network: a proxy that sends each new connection to a ready pod.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, TcpListener},
    pin::pin,
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

/// Forwards connections to ready addresses, until it is dropped.
#[derive(Debug)]
pub struct Service {
    tasks: Vec<AbortHandle>,
}

impl Service {
    /// Accepts connections on this listener for the ready pods with this label, which listen on the same port.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn of_pods(listener: TcpListener, pods: Api<Pod>, label: &str) -> Result<Self> {
        let port = listener.local_addr()?.port();
        let (ready, addresses) = watch::channel(Vec::new());
        let mut service = Self::to(listener, addresses)?;
        let config = watcher::Config::default().labels(label);
        let watch = tokio::spawn(watch_pods(pods, config, port, ready));
        service.tasks.push(watch.abort_handle());
        Ok(service)
    }

    /// Accepts connections on this listener for whatever is ready at the moment.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn to(listener: TcpListener, ready: watch::Receiver<Vec<SocketAddr>>) -> Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)
            .context("cannot listen in place of a Service")?;
        let task = tokio::spawn(async move {
            let mut next = 0_usize;
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        let ready = ready.borrow();
                        next = (next + 1) % ready.len().max(1);
                        connections.spawn(forward(stream, ready.get(next).copied()));
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

async fn watch_pods(
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
            Err(error) => tracing::debug!(%error, "restarting the watch of a Service's pods"),
        }
        let addresses = known.values().flatten();
        let addresses = addresses.map(|address| SocketAddr::new(*address, port));
        ready.send_replace(addresses.collect());
    }
}

// The address of a pod; none while it is not ready or is being deleted.
fn address(pod: &Pod) -> Option<IpAddr> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let is_ready = conditions.any(|it| it.type_ == "Ready" && it.status == "True");
    let is_usable = is_ready && pod.metadata.deletion_timestamp.is_none();
    status.pod_ip.as_ref()?.parse().ok().filter(|_| is_usable)
}

/// Closes the connection if nothing is ready, as a Service without endpoints does. Every part is sent on at once: otherwise a
/// request whose head and body come separately would wait 40 ms for the other side's acknowledgement of the head.
async fn forward(mut from: TcpStream, to: Option<SocketAddr>) -> std::io::Result<()> {
    let Some(to) = to else { return Ok(()) };
    let mut to = TcpStream::connect(to).await?;
    from.set_nodelay(true)?;
    to.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut from, &mut to).await?;
    Ok(())
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
    fn a_pod_has_an_address_while_it_is_ready_and_not_being_deleted() {
        assert!(address(&pod(|_| {})).is_some());
        let waits = |pod: &mut Value| pod["status"]["conditions"][0]["status"] = json!("False");
        assert_eq!(address(&pod(waits)), None);
        let ends = |pod: &mut Value| {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        };
        assert_eq!(address(&pod(ends)), None);
    }
}

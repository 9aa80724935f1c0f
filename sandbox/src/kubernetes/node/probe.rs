//! Readiness probes.

use std::{net::Ipv4Addr, time::Duration};

use k8s_openapi::{
    api::core::v1::{Container, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};
use tokio::{net::TcpStream, sync::mpsc};

/// A container that is not ready is probed more often than its period says, so that starting does not take longer than needed.
const UNREADY_PERIOD: Duration = Duration::from_millis(300);

/// Sends whether the container of the pod at this address is ready, whenever that changes, as long as there is a receiver.
pub(super) async fn watch(container: Container, address: Ipv4Addr, changes: mpsc::Sender<bool>) {
    let Some(probe) = container.readiness_probe.clone() else {
        let _ = changes.send(true).await;
        return;
    };
    let period = seconds(probe.period_seconds, 10);
    let limit = seconds(probe.timeout_seconds, 1);
    let failures_allowed = probe.failure_threshold.unwrap_or(3);
    let (mut is_ready, mut failures) = (false, 0);
    loop {
        let answers = tokio::time::timeout(limit, answers(&container, address, &probe))
            .await
            .unwrap_or(false);
        failures = if answers { 0 } else { failures + 1 };
        let now = answers || (is_ready && failures < failures_allowed);
        if now != is_ready {
            is_ready = now;
            if changes.send(now).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(if is_ready { period } else { UNREADY_PERIOD }).await;
    }
}

fn seconds(value: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(
        value
            .and_then(|it| u64::try_from(it).ok())
            .filter(|it| *it > 0)
            .unwrap_or(default),
    )
}

async fn answers(container: &Container, address: Ipv4Addr, probe: &Probe) -> bool {
    if let Some(http) = &probe.http_get {
        let Some(port) = port(container, &http.port) else {
            return false;
        };
        let scheme = http
            .scheme
            .as_deref()
            .unwrap_or("HTTP")
            .to_ascii_lowercase();
        let url = format!(
            "{scheme}://{address}:{port}{}",
            http.path.as_deref().unwrap_or("/")
        );
        // Like a kubelet: a probe does not verify certificates.
        let Ok(client) = reqwest::Client::builder()
            .danger_accept_invalid_certs(true)
            .build()
        else {
            return false;
        };
        return client.get(url).send().await.is_ok_and(|answer| {
            let code = answer.status().as_u16();
            (200..400).contains(&code)
        });
    }
    if let Some(tcp) = &probe.tcp_socket {
        let Some(port) = port(container, &tcp.port) else {
            return false;
        };
        return TcpStream::connect((address, port)).await.is_ok();
    }
    tracing::warn!(
        container = container.name,
        "this node supports httpGet and tcpSocket probes only"
    );
    false
}

fn port(container: &Container, port: &IntOrString) -> Option<u16> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            container
                .ports
                .iter()
                .flatten()
                .find(|it| it.name.as_deref() == Some(name))?
                .container_port
        }
    };
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    fn container(probe: &serde_json::Value) -> Container {
        serde_json::from_value(json!({"name": "c", "readinessProbe": probe})).unwrap()
    }

    #[test]
    fn a_port_can_be_a_name() {
        let ports = json!({"name": "c", "ports": [{"name": "https", "containerPort": 10250}]});
        let container: Container = serde_json::from_value(ports).unwrap();
        assert_eq!(
            port(&container, &IntOrString::String("https".into())),
            Some(10250)
        );
        assert_eq!(port(&container, &IntOrString::String("other".into())), None);
        assert_eq!(port(&container, &IntOrString::Int(70_000)), None);
    }

    #[tokio::test]
    async fn a_container_is_ready_when_its_port_answers_and_not_after() {
        let (sender, mut changes) = mpsc::channel(4);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let probe = json!({"tcpSocket": {"port": port}, "periodSeconds": 1, "failureThreshold": 1});
        tokio::spawn(watch(container(&probe), Ipv4Addr::LOCALHOST, sender));
        assert_eq!(changes.recv().await, Some(true));
        drop(listener);
        assert_eq!(changes.recv().await, Some(false));
    }

    #[tokio::test]
    async fn a_container_without_a_probe_is_ready_at_once() {
        let (sender, mut changes) = mpsc::channel(4);
        watch(container(&json!(null)), Ipv4Addr::LOCALHOST, sender).await;
        assert_eq!(changes.recv().await, Some(true));
    }
}

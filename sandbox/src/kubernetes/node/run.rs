//! One container: a local process, restarted according to its pod's restart policy.

use std::{net::Ipv4Addr, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    events::{Change, Event, Termination},
    exec::Containers,
    isolation::Isolation,
    probe,
};
use crate::host::children::{Child, Children, Launch, tail};

/// Shorter than a kubelet's 10 s to 5 min: people wait for a sandbox.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LAST_BACKOFF: Duration = Duration::from_secs(10);

/// How to run a container.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) index: usize,
    pub(super) is_init: bool,
    pub(super) container: Container,
    pub(super) launch: Launch,
    pub(super) restart: Restart,
    /// How it got its own namespaces, if it has them.
    pub(super) isolation: Option<Isolation>,
}

/// A pod's restart policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restart {
    Always,
    OnFailure,
    Never,
}

impl Restart {
    pub(super) fn parse(policy: Option<&str>) -> Self {
        match policy {
            Some("Never") => Self::Never,
            Some("OnFailure") => Self::OnFailure,
            _ => Self::Always,
        }
    }

    fn restarts_after(self, code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => code != 0,
            Self::Never => false,
        }
    }
}

/// Runs and stops the containers of a pod.
#[derive(Debug, Clone)]
pub(super) struct Runner {
    pub(super) children: Children,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) stop: CancellationToken,
    /// How long a container may take to exit when `stop` is cancelled.
    pub(super) grace: Duration,
    /// The registry of the containers in which commands can be executed.
    pub(super) containers: Containers,
    /// Namespace and name of the pod.
    pub(super) pod: (String, String),
    /// The address of the pod.
    pub(super) address: Ipv4Addr,
}

impl Runner {
    /// Runs a container until it has terminated for good, or `stop` is cancelled.
    pub(super) async fn run(self, plan: Plan) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let end = self.run_once(&plan).await;
            let is_final = self.stop.is_cancelled() || !plan.restart.restarts_after(end.code);
            self.send(
                &plan,
                Change::Terminated {
                    end: end.clone(),
                    is_final,
                },
            )
            .await;
            if is_final {
                return;
            }
            let seconds = backoff.as_secs();
            let message = format!(
                "back-off {seconds} s restarting failed container {}",
                plan.container.name
            );
            self.send(&plan, Change::BackOff { message }).await;
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = self.stop.cancelled() => {
                    self.send(&plan, Change::Terminated { end, is_final: true }).await;
                    return;
                }
            }
            backoff = (backoff * 2).min(LAST_BACKOFF);
        }
    }

    async fn run_once(&self, plan: &Plan) -> Termination {
        let since = Timestamp::now();
        let (code, message) = match self.children.spawn(&plan.launch) {
            Ok(child) => {
                let _registered = plan.isolation.map(|isolation| {
                    let (namespace, pod) = self.pod.clone();
                    let place = (namespace, pod, plan.container.name.clone());
                    self.containers
                        .register(place, isolation, child.pid(), &plan.launch.env)
                });
                self.send(plan, Change::Started(since)).await;
                let code = self.supervise(plan, &child).await;
                (
                    code,
                    if code == 0 {
                        String::new()
                    } else {
                        tail(child.log(), 20)
                    },
                )
            }
            Err(error) => (128, format!("{error:#}")),
        };
        Termination {
            code,
            since,
            until: Timestamp::now(),
            message,
        }
    }

    /// Waits for the process, reports whether it is ready, and stops it when requested.
    async fn supervise(&self, plan: &Plan, child: &Child) -> i32 {
        let (sender, mut changes) = mpsc::channel(4);
        let probe = tokio::spawn(probe::watch(plan.container.clone(), self.address, sender));
        let code = loop {
            tokio::select! {
                ended = child.wait() => break ended.code,
                () = self.stop.cancelled() => break child.stop(self.grace).await.code,
                Some(is_ready) = changes.recv() => self.send(plan, Change::Ready(is_ready)).await,
            }
        };
        probe.abort();
        code
    }

    /// An error means that the pod is gone, and is ignored.
    async fn send(&self, plan: &Plan, change: Change) {
        let _ = self
            .events
            .send(Event {
                index: plan.index,
                is_init: plan.is_init,
                change,
            })
            .await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn plan(script: &str, restart: Restart, folder: &Path) -> Plan {
        let args = vec!["-c".to_owned(), script.to_owned()];
        let launch = Launch::new("main", Path::new("/bin/sh"), args, folder);
        let container = Container {
            name: "main".into(),
            ..Container::default()
        };
        Plan {
            index: 0,
            is_init: false,
            container,
            launch,
            restart,
            isolation: None,
        }
    }

    fn runner(children: Children, events: mpsc::Sender<Event>, stop: &CancellationToken) -> Runner {
        Runner {
            children,
            events,
            stop: stop.clone(),
            grace: Duration::from_secs(5),
            containers: Containers::default(),
            pod: ("lab".into(), "p".into()),
            address: Ipv4Addr::LOCALHOST,
        }
    }

    async fn next_end(events: &mut mpsc::Receiver<Event>) -> (Termination, bool) {
        loop {
            if let Change::Terminated { end, is_final } = events.recv().await.unwrap().change {
                return (end, is_final);
            }
        }
    }

    #[tokio::test]
    async fn a_failed_container_reports_why_and_is_restarted_only_if_its_policy_says_so() {
        let folder = tempfile::tempdir().unwrap();
        for (restart, expected) in [
            (Restart::Never, true),
            (Restart::OnFailure, false),
            (Restart::Always, false),
        ] {
            let children = Children::start().unwrap();
            let (sender, mut events) = mpsc::channel(16);
            let end = CancellationToken::new();
            let plan = plan("echo no luck; exit 4", restart, folder.path());
            let task = tokio::spawn(runner(children, sender, &end).run(plan));
            let (ended, is_final) = next_end(&mut events).await;
            assert_eq!(ended.code, 4);
            assert!(ended.message.contains("no luck"), "{}", ended.message);
            assert_eq!(is_final, expected, "{restart:?}");
            end.cancel();
            task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_container_that_is_stopped_has_terminated_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, mut events) = mpsc::channel(16);
        let end = CancellationToken::new();
        let children = Children::start().unwrap();
        let plan = plan("sleep 300", Restart::Always, folder.path());
        let task = tokio::spawn(runner(children, sender, &end).run(plan));
        assert!(matches!(
            events.recv().await.unwrap().change,
            Change::Started(_)
        ));
        end.cancel();
        let (ended, is_final) = next_end(&mut events).await;
        assert_eq!((ended.code, is_final), (128 + 15, true));
        task.await.unwrap();
    }
}

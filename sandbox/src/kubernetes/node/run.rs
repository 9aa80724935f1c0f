//! One container: a local process, started again as its pod's restart policy says.

use std::{net::Ipv4Addr, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    events::{End, Event, Happening},
    exec::Containers,
    isolation::Isolation,
    probe,
};
use crate::host::children::{Child, Children, Launch, tail};

/// A kubelet waits 10 s, 20 s, … 5 min; a sandbox is not to be waited for.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LAST_BACKOFF: Duration = Duration::from_secs(10);

/// What to run, and how long.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) index: usize,
    pub(super) is_init: bool,
    pub(super) container: Container,
    pub(super) launch: Launch,
    pub(super) restart: Restart,
    /// How it got namespaces of its own, if it has them.
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

    fn again(self, code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => code != 0,
            Self::Never => false,
        }
    }
}

/// How containers of a pod are run and ended.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    pub(super) children: Children,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) end: CancellationToken,
    /// How long a container may take to end by itself when `end` is cancelled.
    pub(super) grace: Duration,
    /// Where containers are noted into which commands may be sent.
    pub(super) containers: Containers,
    /// Namespace and name of the pod.
    pub(super) pod: (String, String),
    /// The address of the pod.
    pub(super) address: Ipv4Addr,
}

impl Keeper {
    /// Runs a container until it has ended for good, or `end` is cancelled.
    pub(super) async fn keep(self, plan: Plan) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let end = self.run_once(&plan).await;
            let is_final = self.end.is_cancelled() || !plan.restart.again(end.code);
            self.tell(
                &plan,
                Happening::Ended {
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
            self.tell(&plan, Happening::BackOff { message }).await;
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = self.end.cancelled() => {
                    self.tell(&plan, Happening::Ended { end, is_final: true }).await;
                    return;
                }
            }
            backoff = (backoff * 2).min(LAST_BACKOFF);
        }
    }

    async fn run_once(&self, plan: &Plan) -> End {
        let since = Timestamp::now();
        let (code, message) = match self.children.spawn(&plan.launch) {
            Ok(child) => {
                let _noted = plan.isolation.map(|isolation| {
                    let (namespace, pod) = self.pod.clone();
                    let place = (namespace, pod, plan.container.name.clone());
                    self.containers
                        .note(place, isolation, child.pid(), &plan.launch.env)
                });
                self.tell(plan, Happening::Started(since)).await;
                let code = self.attend(plan, &child).await;
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
        End {
            code,
            since,
            until: Timestamp::now(),
            message,
        }
    }

    /// Waits for the process, passing on whether it is ready, and ends it when asked.
    async fn attend(&self, plan: &Plan, child: &Child) -> i32 {
        let (sender, mut changes) = mpsc::channel(4);
        let probe = tokio::spawn(probe::watch(plan.container.clone(), self.address, sender));
        let code = loop {
            tokio::select! {
                ended = child.wait() => break ended.code,
                () = self.end.cancelled() => break child.stop(self.grace).await.code,
                Some(is_ready) = changes.recv() => self.tell(plan, Happening::Ready(is_ready)).await,
            }
        };
        probe.abort();
        code
    }

    /// Nobody listens any more when the pod is gone.
    async fn tell(&self, plan: &Plan, what: Happening) {
        let _ = self
            .events
            .send(Event {
                index: plan.index,
                is_init: plan.is_init,
                what,
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

    fn keeper(children: Children, events: mpsc::Sender<Event>, end: &CancellationToken) -> Keeper {
        Keeper {
            children,
            events,
            end: end.clone(),
            grace: Duration::from_secs(5),
            containers: Containers::default(),
            pod: ("lab".into(), "p".into()),
            address: Ipv4Addr::LOCALHOST,
        }
    }

    async fn next_end(events: &mut mpsc::Receiver<Event>) -> (End, bool) {
        loop {
            if let Happening::Ended { end, is_final } = events.recv().await.unwrap().what {
                return (end, is_final);
            }
        }
    }

    #[tokio::test]
    async fn a_failed_container_tells_why_and_is_tried_again_only_if_its_policy_says_so() {
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
            let task = tokio::spawn(keeper(children, sender, &end).keep(plan));
            let (ended, is_final) = next_end(&mut events).await;
            assert_eq!(ended.code, 4);
            assert!(ended.message.contains("no luck"), "{}", ended.message);
            assert_eq!(is_final, expected, "{restart:?}");
            end.cancel();
            task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_container_that_is_asked_to_end_has_ended_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, mut events) = mpsc::channel(16);
        let end = CancellationToken::new();
        let children = Children::start().unwrap();
        let plan = plan("sleep 300", Restart::Always, folder.path());
        let task = tokio::spawn(keeper(children, sender, &end).keep(plan));
        assert!(matches!(
            events.recv().await.unwrap().what,
            Happening::Started(_)
        ));
        end.cancel();
        let (ended, is_final) = next_end(&mut events).await;
        assert_eq!((ended.code, is_final), (128 + 15, true));
        task.await.unwrap();
    }
}

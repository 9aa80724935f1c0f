//! A pod's status, from its containers. Pure.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    address,
    events::{Change, Termination},
};

/// The state of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Waiting {
        reason: &'static str,
        message: String,
    },
    Running {
        since: Timestamp,
    },
    Terminated(Termination),
}

/// One container.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) state: State,
    pub(super) last_end: Option<Termination>,
    pub(super) restarts: i32,
    pub(super) is_ready: bool,
    /// Whether it has terminated and will not be restarted.
    pub(super) is_final: bool,
}

impl Record {
    pub(super) fn new(name: &str, image: &str) -> Self {
        let state = State::Waiting {
            reason: "ContainerCreating",
            message: String::new(),
        };
        let (name, image) = (name.to_owned(), image.to_owned());
        Self {
            name,
            image,
            state,
            last_end: None,
            restarts: 0,
            is_ready: false,
            is_final: false,
        }
    }

    /// Applies a change.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Started(since) => {
                self.leave(State::Running { since });
                self.restarts += i32::from(self.last_end.is_some());
            }
            Change::Ready(is_ready) => self.is_ready = is_ready,
            Change::Terminated { end, is_final } => {
                self.is_ready = false;
                self.is_final = is_final;
                self.state = State::Terminated(end);
            }
            Change::BackOff { message } => self.leave(State::Waiting {
                reason: "CrashLoopBackOff",
                message,
            }),
        }
    }

    fn leave(&mut self, next: State) {
        if let State::Terminated(end) = std::mem::replace(&mut self.state, next) {
            self.last_end = Some(end);
        }
    }

    /// Whether it was never started.
    pub(super) fn is_unstarted(&self) -> bool {
        self.restarts == 0 && self.last_end.is_none() && matches!(self.state, State::Waiting { .. })
    }
}

/// A pod.
#[derive(Debug, Clone)]
pub(super) struct PodRecord {
    pub(super) uid: String,
    pub(super) start: Timestamp,
    pub(super) init: Vec<Record>,
    pub(super) containers: Vec<Record>,
    /// Whether it is ready, and since when.
    pub(super) ready_since: (bool, Timestamp),
    /// Why the whole pod was stopped, e.g. DeadlineExceeded.
    pub(super) reason: Option<&'static str>,
}

impl PodRecord {
    /// Whether none of its containers will run again.
    pub(super) fn is_final(&self) -> bool {
        self.has_failed_init() || self.containers.iter().all(|container| container.is_final)
    }

    /// Whether an init container failed for good.
    pub(super) fn has_failed_init(&self) -> bool {
        self.init
            .iter()
            .any(|it| it.is_final && !matches!(&it.state, State::Terminated(end) if end.code == 0))
    }

    /// Whether none of its containers runs or is about to.
    pub(super) fn is_idle(&self) -> bool {
        self.init
            .iter()
            .chain(&self.containers)
            .all(|it| it.is_final || it.is_unstarted())
    }

    fn phase(&self) -> &'static str {
        let succeeded = |it: &Record| matches!(&it.state, State::Terminated(end) if end.code == 0);
        let started = |it: &Record| it.restarts > 0 || !matches!(it.state, State::Waiting { .. });
        if self.is_final() {
            let well = self.reason.is_none()
                && !self.has_failed_init()
                && self.containers.iter().all(succeeded);
            return if well { "Succeeded" } else { "Failed" };
        }
        if self.containers.iter().any(started) {
            "Running"
        } else {
            "Pending"
        }
    }

    /// A merge patch of the status; with the UID, so that it does not apply to a later pod of the same name.
    pub(super) fn patch(&mut self, now: Timestamp) -> Value {
        let is_ready =
            !self.is_final() && self.containers.iter().all(|container| container.is_ready);
        if self.ready_since.0 != is_ready {
            self.ready_since = (is_ready, now);
        }
        let condition = |kind: &str, holds: bool, since: Timestamp| json!({"type": kind, "status": if holds { "True" } else { "False" }, "lastTransitionTime": seconds(since)});
        let address = address::of_pod(&self.uid).to_string();
        let initialized = self.init.iter().all(|it| it.is_final) && !self.has_failed_init();
        json!({
            "metadata": {"uid": self.uid},
            "status": {
                "phase": self.phase(),
                "reason": self.reason,
                "startTime": seconds(self.start),
                "hostIP": "127.0.0.1", "hostIPs": [{"ip": "127.0.0.1"}],
                "podIP": address, "podIPs": [{"ip": address}],
                "conditions": [
                    condition("PodScheduled", true, self.start),
                    condition("Initialized", initialized, self.start),
                    condition("ContainersReady", is_ready, self.ready_since.1),
                    condition("Ready", is_ready, self.ready_since.1),
                ],
                "initContainerStatuses": self.init.iter().map(container_status).collect::<Vec<_>>(),
                "containerStatuses": self.containers.iter().map(container_status).collect::<Vec<_>>(),
            },
        })
    }
}

fn container_status(record: &Record) -> Value {
    let last = record
        .last_end
        .as_ref()
        .map_or_else(|| json!({}), |end| json!({"terminated": terminated(end)}));
    let state = match &record.state {
        State::Waiting { reason, message } => {
            json!({"waiting": {"reason": reason, "message": message}})
        }
        State::Running { since } => json!({"running": {"startedAt": seconds(*since)}}),
        State::Terminated(end) => json!({"terminated": terminated(end)}),
    };
    json!({
        "name": record.name, "image": record.image, "imageID": "", "state": state, "lastState": last,
        "ready": record.is_ready, "started": matches!(record.state, State::Running { .. }), "restartCount": record.restarts,
    })
}

fn terminated(end: &Termination) -> Value {
    json!({
        "exitCode": end.code, "reason": if end.code == 0 { "Completed" } else { "Error" }, "message": end.message,
        "startedAt": seconds(end.since), "finishedAt": seconds(end.until),
    })
}

/// metav1.Time has whole seconds.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(states: &[(State, bool)]) -> PodRecord {
        let containers = states.iter().map(|(state, is_final)| {
            let mut record = Record::new("main", "image");
            record.is_ready = matches!(state, State::Running { .. });
            record.state = state.clone();
            record.is_final = *is_final;
            record
        });
        PodRecord {
            uid: "u".into(),
            start: Timestamp::UNIX_EPOCH,
            init: Vec::new(),
            containers: containers.collect(),
            ready_since: (false, Timestamp::UNIX_EPOCH),
            reason: None,
        }
    }

    fn ended(code: i32) -> State {
        let at = Timestamp::UNIX_EPOCH;
        State::Terminated(Termination {
            code,
            since: at,
            until: at,
            message: String::new(),
        })
    }

    fn waiting() -> State {
        State::Waiting {
            reason: "ContainerCreating",
            message: String::new(),
        }
    }

    #[test]
    fn the_phase_follows_from_the_containers() {
        let running = State::Running {
            since: Timestamp::UNIX_EPOCH,
        };
        for (states, phase) in [
            (vec![(waiting(), false)], "Pending"),
            (
                vec![(waiting(), false), (running.clone(), false)],
                "Running",
            ),
            (vec![(ended(0), true)], "Succeeded"),
            (vec![(ended(0), true), (ended(1), true)], "Failed"),
            (vec![(ended(1), false)], "Running"),
            (vec![(ended(0), true), (running, false)], "Running"),
        ] {
            assert_eq!(pod(&states).phase(), phase, "{states:?}");
        }
    }

    #[test]
    fn a_pod_that_was_stopped_for_a_reason_has_failed_even_with_code_0() {
        let mut pod = pod(&[(ended(0), true)]);
        pod.reason = Some("DeadlineExceeded");
        assert_eq!(pod.phase(), "Failed");
    }

    #[test]
    fn a_failed_init_container_fails_the_pod() {
        let mut pod = pod(&[(waiting(), false)]);
        let mut init = Record::new("init", "image");
        init.state = ended(2);
        init.is_final = true;
        pod.init.push(init);
        assert!(pod.is_final());
        assert_eq!(pod.phase(), "Failed");
    }

    #[test]
    fn the_time_of_readiness_changes_with_it() {
        let mut pod = pod(&[(
            State::Running {
                since: Timestamp::UNIX_EPOCH,
            },
            false,
        )]);
        let at = |second| Timestamp::from_second(second).unwrap();
        let ready = |patch: &Value| patch["status"]["conditions"][3].clone();
        let first = ready(&pod.patch(at(5)));
        assert_eq!(
            first,
            json!({"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:00:05Z"})
        );
        assert_eq!(ready(&pod.patch(at(9))), first);
        pod.containers[0].is_ready = false;
        assert_eq!(
            ready(&pod.patch(at(9)))["lastTransitionTime"],
            "1970-01-01T00:00:09Z"
        );
    }
}

//! The lifecycle of one pod on the node: prepared, run, terminated, deleted.

use std::{collections::VecDeque, fs, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Context, address,
    events::Event,
    prepare::{Preparation, Prepared},
    run::{Plan, Runner},
    status::{PodRecord, Record, State},
    tokens::PodIdentity,
    volumes::TokenFile,
};

/// A pod may specify minutes; nothing here needs longer.
const LONGEST_GRACE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(500);

/// Receives that the pod is to be stopped, with its grace period.
pub(super) type StopReceiver = watch::Receiver<Option<Duration>>;

/// Runs a bound pod until it has terminated, and deletes it if that was requested.
pub(super) async fn run(context: Arc<Context>, pod: Pod, mut ending: StopReceiver) {
    let identity = PodIdentity::of(&pod);
    let folder = context.folder_of(&identity);
    let mut running = RunningPod::new(&context, &pod, &identity);
    let prepared = tokio::select! {
        prepared = running.prepare(&folder) => Some(prepared),
        _ = ending.wait_for(Option::is_some) => None,
    };
    if let Some(prepared) = prepared {
        running.run(prepared, &mut ending).await;
    }
    let is_requested = ending.borrow().is_some();
    if is_requested {
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: Some(identity.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let deleted = Api::<Pod>::namespaced(context.node.clone(), &identity.namespace)
            .delete(&identity.pod, &params)
            .await;
        if let Err(error) = deleted {
            tracing::debug!(pod = identity.pod, %error, "not deleted: it is gone already, or a controller still counts it");
        }
    }
    if let Err(error) = fs::remove_dir_all(&folder) {
        tracing::debug!(folder = %folder.display(), %error, "cannot remove a pod's folder");
    }
}

struct RunningPod<'a> {
    context: &'a Context,
    pod: &'a Pod,
    identity: &'a PodIdentity,
    record: PodRecord,
}

impl<'a> RunningPod<'a> {
    fn new(context: &'a Context, pod: &'a Pod, identity: &'a PodIdentity) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let records = |containers: &[Container]| -> Vec<Record> {
            containers
                .iter()
                .map(|it| Record::new(&it.name, it.image.as_deref().unwrap_or_default()))
                .collect()
        };
        let now = Timestamp::now();
        let record = PodRecord {
            uid: identity.uid.clone(),
            start: now,
            init: records(&spec.init_containers.unwrap_or_default()),
            containers: records(&spec.containers),
            ready_since: (false, now),
            reason: None,
        };
        Self {
            context,
            pod,
            identity,
            record,
        }
    }

    async fn report(&mut self) {
        let pods = Api::<Pod>::namespaced(self.context.node.clone(), &self.identity.namespace);
        let patch = Patch::Merge(self.record.patch(Timestamp::now()));
        for _attempt in 0..5 {
            match pods
                .patch_status(&self.identity.pod, &PatchParams::default(), &patch)
                .await
            {
                Ok(_) => return,
                // It is gone, or there is another pod of that name.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
                Err(error) => {
                    tracing::debug!(pod = self.identity.pod, %error, "status not written");
                }
            }
            sleep(RETRY).await;
        }
    }

    /// Prepares the pod, and tries again until it succeeds: what the pod refers to may be created later, and the node is allowed to
    /// read it only a moment after the pod is bound.
    async fn prepare(&mut self, folder: &Path) -> Prepared {
        let mut reported = String::new();
        let preparation = Preparation {
            context: self.context,
            pod: self.pod,
            identity: self.identity,
            folder,
        };
        loop {
            let error = match preparation.prepare().await {
                Ok(prepared) => return prepared,
                Err(error) => format!("{error:#}"),
            };
            if reported != error {
                tracing::debug!(pod = self.identity.pod, error, "not prepared yet");
                for container in &mut self.record.containers {
                    container.state = State::Waiting {
                        reason: "CreateContainerConfigError",
                        message: error.clone(),
                    };
                }
                self.report().await;
                reported = error;
            }
            sleep(RETRY).await;
        }
    }

    /// Runs the containers until all have terminated for good, the pod is to be stopped, or its deadline has passed.
    async fn run(&mut self, prepared: Prepared, ending: &mut StopReceiver) {
        let spec = self.pod.spec.clone().unwrap_or_default();
        let seconds = |value: Option<i64>| value.and_then(|it| u64::try_from(it).ok());
        let longest = seconds(spec.active_deadline_seconds).unwrap_or(u64::from(u32::MAX));
        let deadline = Instant::now() + Duration::from_secs(longest);
        let grace =
            Duration::from_secs(seconds(spec.termination_grace_period_seconds).unwrap_or(30));
        let (sender, mut events) = mpsc::channel(64);
        let runner = Runner {
            children: self.context.children.clone(),
            events: sender,
            stop: CancellationToken::new(),
            grace: grace.min(LONGEST_GRACE),
            containers: self.context.containers.clone(),
            pod: (self.identity.namespace.clone(), self.identity.pod.clone()),
            address: address::of_pod(&self.identity.uid),
        };
        let stop = runner.stop.clone();
        let _stop_on_drop = stop.clone().drop_guard();
        let mut refreshers = JoinSet::new();
        for (file, due) in prepared.tokens {
            refreshers.spawn(refresh(
                self.context.node.clone(),
                self.identity.clone(),
                file,
                due,
            ));
        }
        let mut waiting = Waiting {
            init: prepared.init.into(),
            others: prepared.plans,
        };
        loop {
            if !stop.is_cancelled() {
                for plan in waiting.next(&self.record) {
                    tokio::spawn(runner.clone().run(plan));
                }
            }
            if self.record.is_final() || (stop.is_cancelled() && self.record.is_idle()) {
                break;
            }
            tokio::select! {
                Some(event) = events.recv() => self.apply(event),
                _ = ending.wait_for(Option::is_some), if !stop.is_cancelled() => stop.cancel(),
                () = tokio::time::sleep_until(deadline), if !stop.is_cancelled() => {
                    self.record.reason = Some("DeadlineExceeded");
                    stop.cancel();
                }
            }
            self.report().await;
        }
        self.report().await;
    }

    fn apply(&mut self, event: Event) {
        let records = if event.is_init {
            &mut self.record.init
        } else {
            &mut self.record.containers
        };
        if let Some(record) = records.get_mut(event.index) {
            record.apply(event.change);
        }
    }
}

/// The containers that were not started yet.
struct Waiting {
    init: VecDeque<Plan>,
    others: Vec<Plan>,
}

impl Waiting {
    /// What to start now: init containers one after the other, then all others at once.
    fn next(&mut self, record: &PodRecord) -> Vec<Plan> {
        let none_runs = record
            .init
            .iter()
            .all(|it| it.is_final || it.is_unstarted());
        if record.has_failed_init() || !none_runs {
            return Vec::new();
        }
        match self.init.pop_front() {
            Some(plan) => vec![plan],
            None if record.init.iter().all(|it| it.is_final) => std::mem::take(&mut self.others),
            None => Vec::new(),
        }
    }
}

/// Renews a token file before its token expires, for as long as the pod runs.
async fn refresh(node: kube::Client, pod: PodIdentity, file: TokenFile, mut due: Duration) {
    loop {
        sleep(due).await;
        due = match file.write(&node, &pod).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(pod = pod.pod, "cannot renew a token: {error:#}");
                Duration::from_secs(10)
            }
        };
    }
}

//! The life of one pod on the node: bound, prepared, run, ended, gone.

use std::{collections::VecDeque, fs, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;
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
    run::{Keeper, Plan},
    status::{PodRecord, Record, State},
    tokens::PodIdentity,
    volumes::TokenFile,
};
use crate::NODE;

/// A pod may ask for minutes; nothing here needs more.
const LONGEST_GRACE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(500);

/// Told when the pod is to end, and how long it may take.
pub(super) type Ending = watch::Receiver<Option<Duration>>;

/// Binds a pod that names no node. `false`: somebody else did, or it is gone.
pub(super) async fn bind(context: &Context, pod: &Pod) -> bool {
    let identity = PodIdentity::of(pod);
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding",
        "metadata": {"name": identity.pod, "uid": identity.uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
    });
    let pods = Api::<Pod>::namespaced(context.scheduler.clone(), &identity.namespace);
    let bound: kube::Result<serde_json::Value> = pods
        .create_subresource("binding", &identity.pod, &PostParams::default(), &binding)
        .await;
    if let Err(error) = &bound {
        tracing::debug!(pod = identity.pod, %error, "not bound");
    }
    bound.is_ok()
}

/// Runs a bound pod until it has ended, and deletes it if that was asked.
pub(super) async fn live(context: Arc<Context>, pod: Pod, mut ending: Ending) {
    let identity = PodIdentity::of(&pod);
    let folder = context.folder_of(&identity);
    let mut living = Living::new(&context, &pod, &identity);
    let prepared = tokio::select! {
        prepared = living.prepare(&folder) => Some(prepared),
        _ = ending.wait_for(Option::is_some) => None,
    };
    if let Some(prepared) = prepared {
        living.run(prepared, &mut ending).await;
    }
    let is_asked = ending.borrow().is_some();
    if is_asked {
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
        tracing::debug!(folder = %folder.display(), %error, "a pod's folder stays");
    }
}

struct Living<'a> {
    context: &'a Context,
    pod: &'a Pod,
    identity: &'a PodIdentity,
    record: PodRecord,
}

impl<'a> Living<'a> {
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
                // Gone, or another pod of that name.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
                Err(error) => {
                    tracing::debug!(pod = self.identity.pod, %error, "status not written");
                }
            }
            sleep(RETRY).await;
        }
    }

    /// Prepares the pod, again and again: what it refers to may still come, and the node may read it only a moment after it is
    /// bound.
    async fn prepare(&mut self, folder: &Path) -> Prepared {
        let mut said = String::new();
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
            if said != error {
                tracing::debug!(pod = self.identity.pod, error, "not prepared yet");
                for container in &mut self.record.containers {
                    container.state = State::Waiting {
                        reason: "CreateContainerConfigError",
                        message: error.clone(),
                    };
                }
                self.report().await;
                said = error;
            }
            sleep(RETRY).await;
        }
    }

    /// Runs the containers until all have ended for good, the pod is to end, or its deadline has passed.
    async fn run(&mut self, prepared: Prepared, ending: &mut Ending) {
        let spec = self.pod.spec.clone().unwrap_or_default();
        let seconds = |value: Option<i64>| value.and_then(|it| u64::try_from(it).ok());
        let longest = seconds(spec.active_deadline_seconds).unwrap_or(u64::from(u32::MAX));
        let deadline = Instant::now() + Duration::from_secs(longest);
        let grace =
            Duration::from_secs(seconds(spec.termination_grace_period_seconds).unwrap_or(30));
        let (sender, mut events) = mpsc::channel(64);
        let keeper = Keeper {
            children: self.context.children.clone(),
            events: sender,
            end: CancellationToken::new(),
            grace: grace.min(LONGEST_GRACE),
            containers: self.context.containers.clone(),
            pod: (self.identity.namespace.clone(), self.identity.pod.clone()),
            address: address::of_pod(&self.identity.uid),
        };
        let stop = keeper.end.clone();
        let _stopped_with_us = stop.clone().drop_guard();
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
                    tokio::spawn(keeper.clone().keep(plan));
                }
            }
            if self.record.is_final() || (stop.is_cancelled() && self.record.is_idle()) {
                break;
            }
            tokio::select! {
                Some(event) = events.recv() => self.note(event),
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

    fn note(&mut self, event: Event) {
        let records = if event.is_init {
            &mut self.record.init
        } else {
            &mut self.record.containers
        };
        if let Some(record) = records.get_mut(event.index) {
            record.note(event.what);
        }
    }
}

/// Containers that were not started yet.
struct Waiting {
    init: VecDeque<Plan>,
    others: Vec<Plan>,
}

impl Waiting {
    /// What to start now: init containers one after the other, then all others at once.
    fn next(&mut self, record: &PodRecord) -> Vec<Plan> {
        let is_free = record
            .init
            .iter()
            .all(|it| it.is_final || it.is_untouched());
        if record.has_failed_init() || !is_free {
            return Vec::new();
        }
        match self.init.pop_front() {
            Some(plan) => vec![plan],
            None if record.init.iter().all(|it| it.is_final) => std::mem::take(&mut self.others),
            None => Vec::new(),
        }
    }
}

/// Writes a token file anew before its token ends, for as long as the pod runs.
async fn refresh(node: kube::Client, pod: PodIdentity, file: TokenFile, mut due: Duration) {
    loop {
        sleep(due).await;
        due = match file.write(&node, &pod).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(pod = pod.pod, "a token was not renewed: {error:#}");
                Duration::from_secs(10)
            }
        };
    }
}

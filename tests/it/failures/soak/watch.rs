//! Watches pods, and checks at Google that an identity works as soon as the gate of its pod is removed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use namesake_api::{Identity, names::GATE};
use namesake_core::Reason;
use namesake_tests::namespace::{TestNamespace, account_of};

use super::ledger::{Judgement, Ledger, version};

/// The maximum delay of the watch of Identities behind the watch of pods.
const BEHIND: Duration = Duration::from_secs(2);

/// The ledger, and the tasks that fill it; dropping this stops them.
pub(super) struct Watch {
    ledger: Arc<Mutex<Ledger>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Watch {
    pub(super) async fn start(ns: &TestNamespace) -> anyhow::Result<Self> {
        let ledger = Arc::<Mutex<Ledger>>::default();
        let admin = ns.admin().await?;
        let tasks = vec![
            tokio::spawn(identities(admin.all(), Arc::clone(&ledger))),
            tokio::spawn(pods(ns.clone(), admin.all(), Arc::clone(&ledger))),
        ];
        Ok(Self { ledger, tasks })
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn identities(api: Api<Identity>, ledger: Arc<Mutex<Ledger>>) {
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let mut ledger = lock(&ledger);
        match event {
            Ok(Event::InitApply(identity)) => ledger.saw(&identity),
            Ok(Event::Apply(identity) | Event::Delete(identity)) => {
                ledger.saw(&identity);
                ledger.resume();
            }
            Ok(Event::Init) => ledger.restart(),
            Ok(Event::InitDone) => ledger.is_whole(),
            Err(_) => ledger.is_cut(),
        }
    }
}

async fn pods(ns: TestNamespace, api: Api<Pod>, ledger: Arc<Mutex<Ledger>>) {
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events.touched_objects());
    while let Some(event) = events.next().await {
        if let Ok(pod) = event
            && account_of(&pod).starts_with("mf-")
            && let Some(uid) = pod.uid()
        {
            saw(&ns, pod, uid, &ledger).await;
        }
    }
}

async fn saw(ns: &TestNamespace, pod: Pod, uid: String, ledger: &Arc<Mutex<Ledger>>) {
    if let Some(status) = &pod.status
        && status.reason.as_deref() == Some(Reason::IdentityFailed.as_str())
    {
        let message = status.message.clone().unwrap_or_default();
        lock(ledger).ended.insert(pod.name_any(), message);
    }
    if is_gated(&pod) {
        lock(ledger).gated.insert(uid);
        return;
    }
    if pod.metadata.deletion_timestamp.is_some() || !lock(ledger).released.insert(uid) {
        return;
    }
    let (name, at) = (account_of(&pod).to_owned(), Instant::now());
    let released = version(pod.resource_version());
    let Err(why) = works(ns, &name, released, ledger).await else {
        lock(ledger).working += 1;
        return;
    };
    let (pod, ledger) = (pod.name_any(), Arc::clone(ledger));
    tokio::spawn(async move {
        tokio::time::sleep(BEHIND).await;
        let mut ledger = lock(&ledger);
        match ledger.judge(&name, released, at) {
            Judgement::Early => {
                let last = ledger.last_ready(&name, released).cloned();
                let text = format!(
                    "pod {pod} of {name} was released at version {released}, and {why:#}; last ready: {last:?}"
                );
                ledger.early.push(text);
            }
            excuse => {
                tracing::info!(pod, name, ?excuse, %why, "a release that did not work, for a reason");
                ledger.excused += 1;
            }
        }
    });
}

/// Whether the identity works, as it was when the pod was released or as it is now.
async fn works(
    ns: &TestNamespace,
    name: &str,
    released: u64,
    ledger: &Mutex<Ledger>,
) -> anyhow::Result<()> {
    let known = lock(ledger)
        .last_ready(name, released)
        .map(|v| v.spec.clone());
    let mut outcome = Err(anyhow::anyhow!("its identity was never ready"));
    if let Some(spec) = known {
        outcome = ns.works_at_google(name, &spec).await;
    }
    if outcome.is_err() {
        let now: Option<Identity> = ns.admin().await?.all().get_opt(name).await?;
        if let Some(identity) = now.filter(Identity::is_ready) {
            outcome = ns.works_at_google(name, &identity.spec).await;
        }
    }
    outcome
}

pub(super) fn is_gated(pod: &Pod) -> bool {
    let gates = pod
        .spec
        .iter()
        .flat_map(|s| s.scheduling_gates.iter().flatten());
    gates.into_iter().any(|gate| gate.name == GATE)
}

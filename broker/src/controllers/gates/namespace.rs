//! The gates of one namespace.

mod acts;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use namesake_api::{Identity, WatchBackoff, names};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::warn;

use super::waiting::{Pods, Waiting};
use super::{Gated, Gates, Verdict, Waited, decide, ends, is_lasting};
use crate::identity::store::Kept;

/// Gates that are opened at the same time.
const AT_ONCE: usize = 8;
/// Pods in one page of a list: each may be as large as an object gets (1.5 MiB).
const PAGE: u32 = 50;

struct Room {
    gates: Arc<Gates>,
    namespace: String,
    pods: Pods,
    /// UIDs of those whose gate we opened, until the watch shows that: it may be behind.
    opened: HashSet<String>,
}

/// Watches a namespace's pods and managed KSAs; opens gates as identities come to work. Ends only when it is dropped.
pub(super) async fn watch(gates: Arc<Gates>, namespace: String) {
    // Pods without a node: the ones at a gate, and those that wait for their place. Never by labels: people write those.
    let pods = watcher::Config::default()
        .fields("spec.nodeName=")
        .page_size(PAGE);
    let ours = format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE);
    let accounts = watcher::Config::default().labels(&ours);
    let (client, period) = (gates.client.clone(), gates.config.timings.gates);
    let pods = watcher(Api::<Pod>::namespaced(client.clone(), &namespace), pods)
        .backoff(WatchBackoff::default());
    let accounts = watcher(
        Api::<PartialObjectMeta<ServiceAccount>>::namespaced(client, &namespace),
        accounts,
    )
    .backoff(WatchBackoff::default());
    let (mut pods, mut accounts) = (std::pin::pin!(pods), std::pin::pin!(accounts));
    let mut changed = gates.changed.of(&namespace);
    let mut tick = interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut room = Room {
        gates,
        namespace,
        pods: Pods::default(),
        opened: HashSet::new(),
    };
    loop {
        let account = tokio::select! {
            Some(event) = pods.next() => room.pod(event).await,
            Some(event) = accounts.next() => room.account(event),
            Some(first) = changed.recv() => Of::Some(all(first, &mut changed)),
            _ = tick.tick() => Of::All,
        };
        room.open(&account).await;
    }
}

/// Whose pods to look at.
enum Of {
    None,
    Some(BTreeSet<String>),
    All,
}

impl Of {
    fn one(account: String) -> Self {
        Self::Some(BTreeSet::from([account]))
    }
}

/// This one, and all that have come since.
fn all(first: String, changed: &mut UnboundedReceiver<String>) -> BTreeSet<String> {
    let mut all = BTreeSet::from([first]);
    while let Ok(one) = changed.try_recv() {
        all.insert(one);
    }
    all
}

impl Room {
    async fn pod(&mut self, event: watcher::Result<Event<Pod>>) -> Of {
        match event {
            Ok(Event::Init) => self.clear(),
            Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                let account = pod
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.service_account_name.clone());
                // One on its way out is no use of it.
                let leaves = pod.metadata.deletion_timestamp.is_some();
                if let Some(account) = account.as_ref().filter(|_| !leaves) {
                    self.used(account).await;
                }
                let before = self.forget(&pod.name_any());
                let gated = Gated::of(&pod).filter(|_| !has_ended(&pod));
                if gated.is_none() {
                    self.opened
                        .remove(pod.metadata.uid.as_deref().unwrap_or_default());
                }
                if let Some(gated) = gated.filter(|gated| !self.opened.contains(&gated.uid)) {
                    self.gates.metrics.waiting(1);
                    // Our own word on the pod comes back as a change of it.
                    let before = before.filter(|before| before.pod.uid == gated.uid);
                    let waiting = Waiting {
                        pod: gated,
                        told: before.as_ref().map_or(0, |before| before.told),
                        told_at: before
                            .as_ref()
                            .map_or_else(Instant::now, |before| before.told_at),
                        lasting: before.and_then(|before| before.lasting),
                    };
                    self.pods.insert(waiting);
                    return account.map_or(Of::None, Of::one);
                }
            }
            Ok(Event::Delete(pod)) => {
                self.opened
                    .remove(pod.metadata.uid.as_deref().unwrap_or_default());
                self.forget(&pod.name_any());
            }
            Ok(Event::InitDone) => return Of::All,
            Err(error) => warn!(%error, "the watch of pods broke and is started again"),
        }
        Of::None
    }

    fn account(&mut self, event: watcher::Result<Event<PartialObjectMeta<ServiceAccount>>>) -> Of {
        let (accounts, namespace) = (&self.gates.accounts, &self.namespace);
        let name = match event {
            Ok(Event::Init) => {
                accounts.begin(namespace);
                return Of::None;
            }
            Ok(Event::InitApply(account)) => {
                accounts.apply(namespace, &account.metadata);
                return Of::None;
            }
            Ok(Event::InitDone) => {
                accounts.done(namespace);
                let all = self.gates.identities.of_namespace(namespace);
                all.into_iter().for_each(|one| self.ask(one));
                return Of::All;
            }
            Ok(Event::Apply(account)) => {
                accounts.apply(namespace, &account.metadata);
                account.name_any()
            }
            Ok(Event::Delete(account)) => {
                accounts.remove(namespace, &account.name_any());
                account.name_any()
            }
            Err(error) => {
                warn!(%error, "the watch of service accounts broke and is started again");
                return Of::None;
            }
        };
        self.ask(ObjectRef::new(&name).within(&self.namespace));
        Of::one(name)
    }

    /// The controller repairs what is changed on an account.
    fn ask(&self, identity: ObjectRef<Kept>) {
        // Nobody listening: the broker is shutting down.
        let _ = self.gates.asked.unbounded_send(identity);
    }

    async fn open(&mut self, of: &Of) {
        let accounts = match of {
            Of::None => return,
            Of::Some(some) => some.iter().cloned().collect(),
            Of::All => self.pods.accounts(),
        };
        let mut verdicts = Vec::new();
        for account in accounts {
            let mut pods = self.pods.of(&account).peekable();
            if pods.peek().is_none() {
                continue;
            }
            let identity = self.identity(&account);
            let live = self.gates.accounts.uid(&self.namespace, &account);
            let verdict = |pod: &Gated| decide(pod, identity.as_ref(), live.as_deref());
            verdicts.extend(pods.map(|pod| (pod.clone(), verdict(pod))));
        }
        let (open, wait): (Vec<_>, Vec<_>) =
            verdicts.into_iter().partition(|(_, v)| *v == Verdict::Open);
        let opened = futures::stream::iter(open)
            .map(|(pod, _)| self.release(pod))
            .buffer_unordered(AT_ONCE);
        let opened: Vec<_> = opened.filter_map(std::future::ready).collect().await;
        for pod in opened {
            self.forget(&pod.name);
            self.opened.insert(pod.uid);
        }
        for (pod, verdict) in wait {
            let waited = self.waited(&pod, &verdict);
            let lasting = is_lasting(&verdict);
            if let Some(message) = ends(&verdict, waited, self.gates.config.timings.patience) {
                if self.is_so(&pod.service_account).await {
                    self.end(&pod, &message).await;
                    if lasting {
                        self.stall(&pod.service_account).await;
                    }
                }
            } else if let Verdict::Wait { reason, message } = verdict {
                self.tell(&pod, (&reason, &message), lasting).await;
            }
        }
    }

    fn waited(&mut self, pod: &Gated, verdict: &Verdict) -> Waited {
        let since = self.pods.get_mut(&pod.name).and_then(|waiting| {
            let lasting = is_lasting(verdict).then(|| waiting.lasting.unwrap_or_else(Instant::now));
            waiting.lasting = lasting;
            lasting
        });
        let now = (self.gates.config.clock)();
        let all = pod.created.map(|created| now.duration_since(created));
        Waited {
            all: all.and_then(|all| all.try_into().ok()).unwrap_or_default(),
            lasting: since.map(|since| since.elapsed()).unwrap_or_default(),
        }
    }

    fn identity(&self, name: &str) -> Option<Identity> {
        self.gates.identities.get(&self.namespace, name)
    }

    fn forget(&mut self, pod: &str) -> Option<Waiting> {
        let known = self.pods.remove(pod);
        if known.is_some() {
            self.gates.metrics.waiting(-1);
        }
        known
    }

    fn clear(&mut self) {
        self.gates
            .metrics
            .waiting(-i64::try_from(self.pods.len()).unwrap_or_default());
        self.pods.clear();
        self.opened.clear();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.clear();
        self.gates.accounts.forget(&self.namespace);
    }
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

#[cfg(test)]
mod tests;

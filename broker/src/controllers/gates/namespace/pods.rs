//! Events of the watch of pods, and the checks of those that wait.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::runtime::watcher::{self, Event};
use tokio::time::Instant;
use tracing::warn;

use super::{NamespaceGates, PodSelection};
use crate::controllers::gates::decide::{GatedPod, Verdict, decide};
use crate::controllers::gates::patience::{WaitTime, failure_message};
use crate::controllers::gates::waiting_pods::WaitingPod;
use crate::identity::phase::elapsed;

/// Gates that are opened at the same time.
const CONCURRENCY: usize = 8;

impl NamespaceGates {
    /// Records the pod if it waits, and the use of its identity.
    pub(super) async fn handle_pod_event(
        &mut self,
        event: watcher::Result<Event<Pod>>,
    ) -> PodSelection {
        match event {
            Ok(Event::Init) => self.listed.clear(),
            Ok(Event::InitApply(pod)) => {
                self.listed.extend(pod.uid());
                return self.apply_pod(&pod).await;
            }
            Ok(Event::Apply(pod)) => return self.apply_pod(&pod).await,
            Ok(Event::Delete(pod)) => {
                self.opened.remove(pod.uid().unwrap_or_default().as_str());
                self.forget_pod(&pod.name_any());
            }
            Ok(Event::InitDone) => {
                self.forget_unlisted_pods();
                return PodSelection::All;
            }
            Err(error) => warn!(%error, "the watch of pods failed and is restarted"),
        }
        PodSelection::None
    }

    async fn apply_pod(&mut self, pod: &Pod) -> PodSelection {
        let spec = pod.spec.as_ref();
        let account = spec.and_then(|spec| spec.service_account_name.clone());
        // A pod that is being deleted does not use its identity.
        let is_terminating = pod.metadata.deletion_timestamp.is_some();
        if let Some(account) = account.as_ref().filter(|_| !is_terminating) {
            self.record_use(account).await;
        }
        let before = self.forget_pod(&pod.name_any());
        let Some(gated) = GatedPod::of(pod).filter(|_| !has_ended(pod)) else {
            self.opened.remove(pod.uid().unwrap_or_default().as_str());
            return PodSelection::None;
        };
        if self.opened.contains(&gated.uid) {
            return PodSelection::None;
        }
        // The annotation that we write comes back as a change of the pod.
        let before = before.filter(|before| before.pod.uid == gated.uid);
        self.pods.insert(match before {
            Some(before) => WaitingPod {
                pod: gated,
                ..before
            },
            None => {
                let waits = self.gates.context.metrics.pod_waits(gated.created);
                WaitingPod::new(gated, waits)
            }
        });
        account.map_or(PodSelection::None, PodSelection::of_account)
    }

    /// Opens the gates of selected pods whose identity works, fails those that have waited too long, and reports to the others
    /// why they wait.
    pub(super) async fn check(&mut self, selection: &PodSelection) {
        let accounts = match selection {
            PodSelection::None => return,
            PodSelection::Accounts(accounts) => accounts.iter().cloned().collect(),
            PodSelection::All => self.pods.accounts(),
        };
        let mut verdicts = Vec::new();
        for account in accounts {
            let mut pods = self.pods.of_account(&account).peekable();
            if pods.peek().is_none() {
                continue;
            }
            let identity = self.identity(&account);
            let uid = self.gates.context.accounts.uid(&self.namespace, &account);
            let verdict = |pod: &GatedPod| decide(pod, identity.as_ref(), uid.as_deref());
            verdicts.extend(pods.map(|pod| (pod.clone(), verdict(pod))));
        }
        let (open, wait): (Vec<_>, Vec<_>) =
            verdicts.into_iter().partition(|(_, v)| *v == Verdict::Open);
        let opened = futures::stream::iter(open)
            .map(|(pod, _)| self.open_gate(pod))
            .buffer_unordered(CONCURRENCY);
        let opened: Vec<_> = opened.filter_map(std::future::ready).collect().await;
        for pod in opened {
            self.forget_pod(&pod.name);
            self.opened.insert(pod.uid);
        }
        for (pod, verdict) in wait {
            self.keep_waiting(&pod, verdict).await;
        }
    }

    async fn keep_waiting(&mut self, pod: &GatedPod, verdict: Verdict) {
        let is_lasting = verdict.is_lasting();
        let waited = self.wait_time(pod, is_lasting);
        let patience = self.gates.context.config.timings.patience;
        if let Some(message) = failure_message(&verdict, waited, patience, pod.decision.as_deref())
        {
            if self.is_watch_current(&pod.service_account).await {
                self.fail_pod(pod, &message).await;
                if is_lasting {
                    self.mark_stalled(&pod.service_account).await;
                }
            }
        } else if let Verdict::Wait { reason, message } = verdict {
            self.report_wait(pod, reason, &message).await;
        }
    }

    fn wait_time(&mut self, pod: &GatedPod, is_lasting: bool) -> WaitTime {
        let since = self.pods.get_mut(&pod.name).and_then(|waiting| {
            let since = is_lasting.then(|| waiting.lasting_since.unwrap_or_else(Instant::now));
            waiting.lasting_since = since;
            since
        });
        let now = self.gates.context.now();
        let total = pod.created.map(|created| elapsed(created, now));
        WaitTime {
            total: total.unwrap_or_default(),
            lasting: since.map(|since| since.elapsed()).unwrap_or_default(),
        }
    }

    pub(super) fn forget_pod(&mut self, name: &str) -> Option<WaitingPod> {
        self.pods.remove(name)
    }

    /// Forgets the pods that are not in the list that the watch has just read. The others keep waiting since they began to.
    fn forget_unlisted_pods(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        self.pods.retain(|pod| listed.contains(&pod.uid));
        self.opened.retain(|uid| listed.contains(uid));
    }
}

fn has_ended(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

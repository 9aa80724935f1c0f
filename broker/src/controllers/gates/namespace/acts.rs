//! What is done to one pod at its gate.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use namesake_api::{Identity, names};
use serde_json::json;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Gated, Room};
use crate::cluster::ensure;
use crate::controllers::gates::ENDED;
use crate::identity::conditions;
use crate::identity::phase;
use crate::identity::status;

/// How often one pod is told why it waits, at most.
const TOLD: u32 = 10;

impl Room {
    /// Whether the watch shows this Identity, or that there is none, as it is now: nobody's pod is ended because a watch is behind.
    pub(super) async fn is_so(&self, name: &str) -> bool {
        let version = |identity: Option<Identity>| identity.map(|one| one.resource_version());
        let shown = version(self.identity(name));
        let there = ensure::find(&self.gates.client, &self.namespace, name).await;
        there.is_ok_and(|there| version(there) == shown)
    }

    /// Ends exactly the pod that was decided about. Its controller, and so Metaflow, shows reason and message.
    pub(super) async fn end(&mut self, pod: &Gated, message: &str) {
        let status = json!({"phase": "Failed", "reason": ENDED, "message": message});
        let patch = Patch::Merge(json!({"metadata": {"uid": pod.uid}, "status": status}));
        let api = Api::<Pod>::namespaced(self.gates.client.clone(), &self.namespace);
        match api.patch_status(&pod.name, &patching(), &patch).await {
            Ok(_) => {
                info!(pod = %pod.name, service_account = %pod.service_account, message, "a pod that waited in vain was ended");
                let about = reference(pod, &self.namespace);
                self.gates
                    .events
                    .warning(&about, "End", ENDED, message)
                    .await;
                self.forget(&pod.name);
            }
            Err(error) if ensure::is_gone(&error) => {
                self.forget(&pod.name);
            }
            Err(error) => {
                warn!(%error, pod = %pod.name, "a pod that waits in vain could not be ended yet");
            }
        }
    }

    /// Says on the Identity that a pod waited for it in vain, so that new Jobs are refused at once.
    pub(super) async fn stall(&self, account: &str) {
        let Some(identity) = self.identity(account) else {
            return;
        };
        let now = (self.gates.config.clock)();
        let generation = identity.metadata.generation;
        let update = status::update(&self.gates.client, &identity, |seen, status| {
            seen.metadata.generation == generation && conditions::stall(status, generation, now)
        });
        if let Err(error) = update.await {
            warn!(%error, name = %account, "that pods wait in vain for an identity could not be written down");
        }
    }

    /// Takes our gate off exactly the pod that was decided about. Returns it when there is no more to do.
    pub(super) async fn release(&self, pod: Gated) -> Option<Gated> {
        let at = format!("/spec/schedulingGates/{}", pod.index);
        let mut patch = vec![
            json!({"op": "test", "path": "/metadata/uid", "value": pod.uid}),
            json!({"op": "test", "path": "/spec/serviceAccountName", "value": pod.service_account}),
            json!({"op": "test", "path": at, "value": {"name": names::GATE}}),
            json!({"op": "remove", "path": at}),
        ];
        if pod.says.is_some() {
            let annotation = names::WAITING_ANNOTATION.replace('/', "~1");
            patch.push(
                json!({"op": "remove", "path": format!("/metadata/annotations/{annotation}")}),
            );
        }
        let patch = match serde_json::from_value(json!(patch)) {
            Ok(patch) => Patch::<()>::Json(patch),
            Err(error) => {
                warn!(%error, pod = %pod.name, "the patch that opens the gate cannot be made");
                return None;
            }
        };
        let api = Api::<Pod>::namespaced(self.gates.client.clone(), &self.namespace);
        match api.patch(&pod.name, &patching(), &patch).await {
            Ok(_) => {
                let now = (self.gates.config.clock)();
                let waited = pod
                    .created
                    .map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
                self.gates.metrics.released(waited);
                info!(pod = %pod.name, service_account = %pod.service_account, waited_s = waited, "gate opened");
                Some(pod)
            }
            Err(error) if ensure::is_gone(&error) => Some(pod),
            // Changed since, or open already: the watch is about to say how.
            Err(kube::Error::Api(status)) if status.code == 422 => {
                debug!(pod = %pod.name, "the pod is not as the watch last showed it");
                None
            }
            // The next look tries again.
            Err(error) => {
                warn!(%error, pod = %pod.name, "the gate could not be opened yet");
                None
            }
        }
    }

    /// Says on the pod why it waits: once for each reason, not without end, and not each word of one that comes to work as it
    /// should. What somebody has to do something about is said at once.
    pub(super) async fn tell(
        &mut self,
        pod: &Gated,
        (reason, message): (&str, &str),
        at_once: bool,
    ) {
        let says = pod.says.as_deref().and_then(|says| says.split(':').next());
        let Some(waiting) = self.pods.get_mut(&pod.name) else {
            return;
        };
        let period = self.gates.config.timings.gates;
        // Who comes to work at once needs not to hear why that was not before.
        let period = if waiting.told == 0 {
            2 * period
        } else {
            period
        };
        let early = waiting.told_at.elapsed() < period;
        if says == Some(reason) || waiting.told >= TOLD || (early && !at_once) {
            return;
        }
        waiting.told += 1;
        waiting.told_at = Instant::now();
        let text = format!("{reason}: {message}");
        let patch = json!({"metadata": {"uid": pod.uid, "annotations": {names::WAITING_ANNOTATION: &text}}});
        let api = Api::<Pod>::namespaced(self.gates.client.clone(), &self.namespace);
        let patch = Patch::Merge(patch);
        if let Err(error) = api.patch_metadata(&pod.name, &patching(), &patch).await {
            warn!(%error, pod = %pod.name, "the pod could not be told why it waits");
            return;
        }
        // Only now: what the pod does not say cannot be taken off it, and its gate would stay shut.
        waiting.pod.says = Some(text);
        let about = reference(pod, &self.namespace);
        self.gates
            .events
            .normal(&about, "Wait", reason, message)
            .await;
    }

    /// A pod of this identity was made: keeps its time of last use, coarsely.
    pub(super) async fn used(&self, account: &str) {
        let Some(identity) = self.identity(account) else {
            return;
        };
        let now = (self.gates.config.clock)();
        let period = SignedDuration::try_from(self.gates.config.timings.last_used)
            .unwrap_or(SignedDuration::MAX);
        // A new one was made for a pod.
        let fresh = |identity: &Identity| {
            let last = phase::last_use(identity);
            last.is_some_and(|last| now.duration_since(last) < period)
        };
        let update = status::update(&self.gates.client, &identity, |seen, status| {
            let stale = !fresh(seen);
            if stale {
                status.last_used_time = Some(Time(now));
            }
            stale
        });
        if let Err(error) = update.await {
            warn!(%error, name = %account, "the time of last use could not be written");
        }
    }
}

fn reference(pod: &Gated, namespace: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name.clone()),
        namespace: Some(namespace.to_owned()),
        uid: Some(pod.uid.clone()),
        ..ObjectReference::default()
    }
}

fn patching() -> PatchParams {
    PatchParams {
        field_manager: Some(names::FIELD_MANAGER_BROKER.to_owned()),
        ..PatchParams::default()
    }
}

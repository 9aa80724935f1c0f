//! What the broker does to a single pod at its gate, and to its Identity.

use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::Patch;
use kube::{Api, ResourceExt};
use namesake_api::{Identity, IdentityStatus, names};
use namesake_core::Reason;
use serde_json::json;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::NamespaceGates;
use crate::cluster::ensure;
use crate::cluster::identity_status;
use crate::cluster::requests::{is_not_found, patch_params};
use crate::controllers::gates::decide::GatedPod;
use crate::controllers::gates::forecast::forecast;
use crate::controllers::gates::waiting_status;
use crate::identity::conditions;
use crate::identity::phase;

/// Most reports on one pod of what may pass by itself, and of everything: somebody who has to act reads it however long the pod
/// waited before.
const MOST_REPORTS: u32 = 10;
const MOST_REPORTS_OF_ALL: u32 = 2 * MOST_REPORTS;

/// `status.reason` of a pod that fails at its gate.
const FAILED: Reason = Reason::IdentityFailed;

impl NamespaceGates {
    fn pods_api(&self) -> Api<Pod> {
        Api::namespaced(self.gates.context.client.clone(), &self.namespace)
    }

    /// Whether the watch shows the current version of this Identity, or its current absence: no pod may fail because a watch lags.
    pub(super) async fn is_watch_current(&self, name: &str) -> bool {
        let version = |identity: Option<Identity>| identity.map(|one| one.resource_version());
        let shown = version(self.identity(name));
        let current = ensure::get_identity(&self.gates.context.client, &self.namespace, name).await;
        current.is_ok_and(|current| version(current) == shown)
    }

    /// Makes exactly this pod fail. Its controller, and so Metaflow, shows reason and message.
    pub(super) async fn fail_pod(&mut self, pod: &GatedPod, message: &str) {
        // Without containers: Metaflow would show why the first of them waits instead.
        let status = json!({
            "phase": "Failed", "reason": FAILED.as_str(), "message": message, "containerStatuses": null,
        });
        let patch = Patch::Merge(json!({"metadata": {"uid": pod.uid}, "status": status}));
        let (pods, params) = (self.pods_api(), patch_params());
        match pods.patch_status(&pod.name, &params, &patch).await {
            Ok(_) => {
                info!(pod = %pod.name, service_account = %pod.service_account, message, "a pod failed because it waited too long");
                let about = reference(pod, &self.namespace);
                let events = &self.gates.context.events;
                events.pod_status(&about, "End", FAILED, message).await;
                self.forget_pod(&pod.name);
            }
            Err(error) if is_not_found(&error) => {
                self.forget_pod(&pod.name);
            }
            Err(error) => {
                warn!(%error, pod = %pod.name, "could not end a pod that waited too long: trying again");
            }
        }
    }

    /// Sets `Stalled` on the Identity of a pod that waited too long, so that new Jobs are refused at once.
    pub(super) async fn mark_stalled(&self, account: &str) {
        let Some(identity) = self.identity(account) else {
            return;
        };
        let now = self.gates.context.now();
        let generation = identity.metadata.generation;
        let stall = |current: &Identity, status: &mut IdentityStatus| {
            current.metadata.generation == generation && conditions::stall(status, generation, now)
        };
        self.update_status(&identity, stall).await;
    }

    async fn update_status(
        &self,
        identity: &Identity,
        change: impl Fn(&Identity, &mut IdentityStatus) -> bool,
    ) {
        let updated = identity_status::update(&self.gates.context.client, identity, change).await;
        if let Err(error) = updated {
            warn!(%error, name = %identity.name_any(), "could not write the status of an identity");
        }
    }

    /// Removes the gate from exactly this pod. Returns the pod if nothing remains to be done.
    pub(super) async fn open_gate(&self, pod: GatedPod) -> Option<GatedPod> {
        if pod.says_why {
            self.remove_reason(&pod).await;
        }
        let gate = format!("/spec/schedulingGates/{}", pod.gate_index);
        let mut patch = vec![
            json!({"op": "test", "path": "/metadata/uid", "value": pod.uid}),
            json!({"op": "test", "path": "/spec/serviceAccountName", "value": pod.service_account}),
            json!({"op": "test", "path": gate, "value": {"name": names::GATE}}),
            json!({"op": "remove", "path": gate}),
        ];
        if pod.waiting_annotation.is_some() {
            let annotation = names::WAITING_ANNOTATION.replace('/', "~1");
            let path = format!("/metadata/annotations/{annotation}");
            patch.push(json!({"op": "remove", "path": path}));
        }
        let patch = match serde_json::from_value(json!(patch)) {
            Ok(patch) => Patch::<()>::Json(patch),
            Err(error) => {
                warn!(%error, pod = %pod.name, "invalid patch to open a gate");
                return None;
            }
        };
        let (pods, params) = (self.pods_api(), patch_params());
        match pods.patch(&pod.name, &params, &patch).await {
            Ok(_) => {
                let now = self.gates.context.now();
                let waited = pod.created.map(|at| phase::elapsed(at, now));
                let waited = waited.unwrap_or_default();
                self.gates.waits.lock().add(waited);
                let waited = waited.as_secs_f64();
                self.gates.context.metrics.gate_opened(waited);
                info!(pod = %pod.name, service_account = %pod.service_account, waited_s = waited, "gate opened");
                Some(pod)
            }
            Err(error) if is_not_found(&error) => Some(pod),
            // The pod was changed, or the gate is open already: the watch is about to show it.
            Err(kube::Error::Api(status)) if status.code == 422 => {
                debug!(pod = %pod.name, "the pod is not as the watch last showed it");
                None
            }
            Err(error) => {
                warn!(%error, pod = %pod.name, "could not open a gate: trying again");
                None
            }
        }
    }

    /// Removes from the status of a pod why its containers wait: the scheduler and the node may take long, for other reasons.
    async fn remove_reason(&self, pod: &GatedPod) {
        let status = json!({"containerStatuses": null});
        let patch = Patch::Merge(json!({"metadata": {"uid": pod.uid}, "status": status}));
        let (pods, params) = (self.pods_api(), patch_params());
        let patched = pods.patch_status(&pod.name, &params, &patch);
        // The node overwrites it.
        if let Err(error) = patched.await {
            debug!(%error, pod = %pod.name, "could not remove from a pod why it waited");
        }
    }

    /// Writes on the pod why it waits: once for each reason and not too often; at once only if somebody has to act.
    pub(super) async fn report_wait(&mut self, pod: &GatedPod, reason: Reason, message: &str) {
        let annotation = pod.waiting_annotation.as_deref();
        let reported = annotation.and_then(|text| text.split(':').next());
        let pods = self.pods_api();
        let Some(waiting) = self.pods.get_mut(&pod.name) else {
            return;
        };
        let period = self.gates.context.config.timings.gates;
        // The first report comes later: most identities work soon.
        let period = if waiting.reports == 0 {
            2 * period
        } else {
            period
        };
        let too_early = waiting.last_report.elapsed() < period && !reason.is_lasting();
        if reported == Some(reason.as_str()) || too_early || is_too_many(waiting.reports, reason) {
            return;
        }
        waiting.reports += 1;
        waiting.last_report = Instant::now();
        let patience = self.gates.context.config.timings.patience;
        let forecast = forecast(reason, &self.gates.waits.lock(), patience);
        let message = format!("{message}; {forecast}");
        let message = &waiting_status::with_reference(&message, reason, pod.decision.as_deref());
        let patch = Patch::Merge(waiting_status::patch(pod, reason, message));
        if let Err(error) = pods.patch_status(&pod.name, &patch_params(), &patch).await {
            warn!(%error, pod = %pod.name, "could not write on a pod why it waits");
            return;
        }
        // Only after the write: if the pod does not have the annotation, the patch that opens its gate must not remove it.
        waiting.pod.waiting_annotation = Some(waiting_status::annotation(reason, message));
        waiting.pod.says_why = true;
        let about = reference(pod, &self.namespace);
        let events = &self.gates.context.events;
        events.pod_status(&about, "Wait", reason, message).await;
    }

    /// Updates the time of last use of an identity that has a pod, unless that was done recently.
    pub(super) async fn record_use(&self, account: &str) {
        let Some(identity) = self.identity(account) else {
            return;
        };
        let now = self.gates.context.now();
        let period = self.gates.context.config.timings.last_used;
        // The creation of an Identity counts as a use.
        let is_recent = |identity: &Identity| {
            let last = phase::last_used(identity);
            last.is_some_and(|last| phase::elapsed(last, now) < period)
        };
        let use_now = |current: &Identity, status: &mut IdentityStatus| {
            let changes = !is_recent(current);
            if changes {
                status.last_used_time = Some(Time(now));
            }
            changes
        };
        self.update_status(&identity, use_now).await;
    }
}

fn is_too_many(reports: u32, reason: Reason) -> bool {
    let most = match reason.is_lasting() {
        true => MOST_REPORTS_OF_ALL,
        false => MOST_REPORTS,
    };
    reports >= most
}

fn reference(pod: &GatedPod, namespace: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name.clone()),
        namespace: Some(namespace.to_owned()),
        uid: Some(pod.uid.clone()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_to_act_is_reported_after_many_that_passed_by_themselves() {
        let after = |reports| {
            [Reason::Propagating, Reason::PermissionDenied].map(|why| is_too_many(reports, why))
        };
        assert_eq!(after(9), [false, false]);
        assert_eq!(after(10), [true, false]);
        assert_eq!(after(20), [true, true]);
    }
}

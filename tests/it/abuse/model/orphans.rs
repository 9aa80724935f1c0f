//! Adoption and placement in the model: Jobs with a manual selector, pods that lose their Job, forged owners, and changes to the
//! placement of gated pods. The controllers of Kubernetes adopt what they find.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    ResourceExt,
    api::{DeleteParams, PropagationPolicy},
};
use namesake_tests::{
    drafts::{metaflow_job, metaflow_pod},
    namespace::{TestNamespace, account_of},
};
use serde_json::{Value, json};

use super::{Model, ROOT, Requesters};

/// The label in the selectors of Jobs with a manual selector.
const GROUP: &str = "model.example/group";
/// The node label that records who changed the placement of a pod.
const PLACED: &str = "model.example/placed-by";
/// An additional gate, so that a pod waits whatever the broker does.
const HOLD: &str = "model.example/hold";

/// Counts of what happened.
#[derive(Default)]
pub(super) struct Orphans {
    /// The names of pods with the additional gate.
    held: Vec<String>,
    selecting: usize,
    orphaned: usize,
    /// The number of pods that were adopted by a Job that had not created them.
    adopted: usize,
}

impl Orphans {
    pub(super) fn check_coverage(&self) -> Result<()> {
        let (held, selecting, orphaned) = (self.held.len(), self.selecting, self.orphaned);
        ensure!(
            held > 10 && selecting > 10 && orphaned > 10 && self.adopted > 0,
            "{held} pods waited, {selecting} Jobs selected pods, {orphaned} pods were orphaned, {} adopted",
            self.adopted
        );
        Ok(())
    }
}

impl Model {
    /// A random action on selectors, owners or placement.
    pub(super) async fn act_on_orphans(&mut self) {
        match self.random.below(8) {
            0 | 1 => self.create_selecting_job().await,
            2 | 3 => self.create_waiting_pod().await,
            4 => self.orphan_pods().await,
            5 => self.remove_owners().await,
            6 => self.set_owner().await,
            _ => self.change_placement().await,
        }
    }

    fn group(&mut self) -> String {
        format!("g{}", self.random.below(3))
    }

    /// Creates a Job that selects pods by a label that everybody can write, or by the label of somebody else's Job.
    async fn create_selecting_job(&mut self) {
        let (person, group) = (self.person(), self.group());
        let draft = self.with_copied_metadata(metaflow_job());
        let mut job = self.named(&person, draft).into_value();
        let at = self.random.below(self.jobs.len());
        let (mut key, mut value) = (GROUP.to_owned(), group);
        if let Some(other) = self.jobs.get(at).filter(|_| self.random.one_in(3)) {
            key = "batch.kubernetes.io/controller-uid".to_owned();
            value = other.uid().unwrap_or_default();
        }
        job["spec"]["manualSelector"] = json!(true);
        job["spec"]["selector"] = json!({"matchLabels": {&key: &value}});
        job["spec"]["template"]["metadata"]["labels"][&key] = json!(value);
        let Ok(job) = serde_json::from_value::<Job>(job) else {
            return;
        };
        if let Ok(made) = person.create::<Job>(job).await {
            self.orphans.selecting += 1;
            self.jobs.push(made);
        }
    }

    /// Creates a pod with such a label and the additional gate.
    async fn create_waiting_pod(&mut self) {
        let (person, group) = (self.person(), self.group());
        let mut draft = self.with_copied_metadata(metaflow_pod());
        draft = self.named(&person, draft).labelled(GROUP, &group);
        let draft = draft.pod_field("schedulingGates", json!([{"name": HOLD}]));
        if let Ok(made) = person.create::<Pod>(draft).await {
            self.orphans.held.push(made.name_any());
            self.pods.push(made);
        }
    }

    /// Deletes a Job, and orphans its pods.
    async fn orphan_pods(&mut self) {
        let person = self.person();
        let at = self.random.below(self.jobs.len());
        let Some(job) = self.jobs.get(at) else { return };
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Orphan),
            ..DeleteParams::default()
        };
        let deleted = person.all::<Job>().delete(&job.name_any(), &params).await;
        self.orphans.orphaned += usize::from(deleted.is_ok());
    }

    /// Removes the owners of a pod.
    async fn remove_owners(&mut self) {
        let person = self.person();
        let Some(pod) = self.any_pod() else { return };
        let none = json!({"metadata": {"ownerReferences": null}});
        let edited = person.patch::<Pod>(&pod, none).await;
        self.orphans.orphaned += usize::from(edited.is_ok());
    }

    fn any_pod(&mut self) -> Option<String> {
        let at = self.random.below(self.pods.len());
        self.pods.get(at).map(ResourceExt::name_any)
    }

    /// Sets a Job, possibly somebody else's, as the owner of a pod, by a random kind, group and name.
    async fn set_owner(&mut self) {
        let person = self.person();
        let at = self.random.below(self.jobs.len());
        let Some(job) = self.jobs.get(at) else { return };
        let (name, uid) = (job.name_any(), job.uid().unwrap_or_default());
        let (version, kind) = [
            ("batch/v1", "Job"),
            ("example.com/v1", "Job"),
            ("v1", "Job"),
            ("apps/v1", "ReplicaSet"),
        ][self.random.below(4)];
        if self.random.one_in(2) {
            let draft = self.named(&person, metaflow_pod());
            let made = person.create::<Pod>(draft.owned_by(version, kind, &name, &uid));
            self.pods.extend(made.await);
            return;
        }
        let Some(pod) = self.any_pod() else { return };
        let owner = json!({"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true});
        let edit = json!({"metadata": {"ownerReferences": [owner]}});
        let _ = person.patch::<Pod>(&pod, edit).await;
    }

    /// Changes the placement of a gated pod.
    async fn change_placement(&mut self) {
        let person = self.person();
        let at = self.random.below(self.orphans.held.len());
        let Some(pod) = self.orphans.held.get(at) else {
            return;
        };
        let Ok(there) = person.all::<Pod>().get(pod).await else {
            return;
        };
        let spec = match self.random.below(3) {
            0 => json!({"nodeSelector": {PLACED: person.name.split('@').next()}}),
            1 => {
                let values = [person.name.split('@').next()];
                let term = json!({"matchExpressions": [{"key": PLACED, "operator": "In", "values": values}]});
                json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [term]}}}})
            }
            _ => {
                let spec = there.spec.unwrap_or_default();
                let mut all = json!(spec.tolerations.unwrap_or_default());
                let value = person.name.split('@').next();
                all.as_array_mut().into_iter().for_each(|all| {
                    all.push(json!({"key": PLACED, "operator": "Equal", "value": value}));
                });
                json!({"tolerations": all})
            }
        };
        let _ = person.patch::<Pod>(pod, json!({"spec": spec})).await;
    }

    /// Checks that nobody changed the placement of a pod with an identity, and that it is owned only by Jobs of its own user.
    pub(super) async fn check_orphans(&mut self, ns: &TestNamespace, pods: &[Pod]) -> Result<()> {
        for pod in pods.iter().filter(|pod| account_of(pod).starts_with("mf-")) {
            let spec = serde_json::to_value(&pod.spec)?;
            for part in ["nodeSelector", "affinity", "tolerations"] {
                let said = spec[part].to_string();
                ensure!(
                    !said.contains(PLACED),
                    "somebody placed {}: {said}",
                    pod.name_any()
                );
            }
        }
        let jobs = ns
            .admin()
            .await?
            .all::<Job>()
            .list(&Default::default())
            .await?;
        let roots: BTreeMap<String, Value> = jobs
            .into_iter()
            .filter_map(|job| Some((job.uid()?, json!(job.labels().get(ROOT)?))))
            .collect();
        for pod in pods.iter().filter(|pod| account_of(pod).starts_with("mf-")) {
            let mut owners = pod.owner_references().iter();
            let Some(owner) = owners.find(|owner| owner.controller == Some(true)) else {
                continue;
            };
            // Jobs of JobSets and CronJobs have the root label only in their pod template.
            let Some(root) = roots.get(&owner.uid).and_then(Value::as_str) else {
                continue;
            };
            let requesters: &Requesters =
                self.roots.get(root).context("the Job has no root label")?;
            self.runs_as(ns, pod, requesters)
                .with_context(|| format!("it counts for Job {}", owner.name))?;
            let is_another = pod.labels().get(ROOT).is_some_and(|own| own != root);
            self.orphans.adopted += usize::from(is_another);
        }
        Ok(())
    }
}

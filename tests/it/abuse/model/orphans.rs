//! In the model: Jobs that select pods by a label of their own, pods that lose their Job, owners of somebody's own choice, and where
//! a pod runs that waits at a gate. The controllers of Kubernetes adopt what they find.

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

use super::{Asked, Model, ROOT};

/// The label by which Jobs with a selector of their own find pods.
const GROUP: &str = "model.example/group";
/// The node label that says who wanted a pod on such a node.
const PLACED: &str = "model.example/placed-by";
/// A gate of the pod's maker, so that the pod waits whatever our broker does.
const HOLD: &str = "model.example/hold";

/// How much of it really happened.
#[derive(Default)]
pub(super) struct Orphans {
    /// Pods that wait at a gate of their maker's, by name.
    held: Vec<String>,
    selecting: usize,
    orphaned: usize,
    /// Pods that some Job has adopted which had not made them.
    adopted: usize,
}

impl Orphans {
    pub(super) fn did_run(&self) -> Result<()> {
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
    /// Something happens to what controllers go by.
    pub(super) async fn of_orphans(&mut self) {
        match self.random.below(8) {
            0 | 1 => self.selects().await,
            2 | 3 => self.waits().await,
            4 => self.leaves_pods().await,
            5 => self.disowns().await,
            6 => self.names_an_owner().await,
            _ => self.places().await,
        }
    }

    fn group(&mut self) -> String {
        format!("g{}", self.random.below(3))
    }

    /// A Job that finds its pods by a label that anybody can write, or by that of another's Job.
    async fn selects(&mut self) {
        let (person, group) = (self.person(), self.group());
        let draft = self.dressed(metaflow_job());
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

    /// A pod with such a label that waits at a gate.
    async fn waits(&mut self) {
        let (person, group) = (self.person(), self.group());
        let mut draft = self.dressed(metaflow_pod());
        draft = self.named(&person, draft).labelled(GROUP, &group);
        let draft = draft.pod_field("schedulingGates", json!([{"name": HOLD}]));
        if let Ok(made) = person.create::<Pod>(draft).await {
            self.orphans.held.push(made.name_any());
            self.pods.push(made);
        }
    }

    /// Somebody deletes a Job, and leaves its pods.
    async fn leaves_pods(&mut self) {
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

    /// Somebody takes the owners off a pod.
    async fn disowns(&mut self) {
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

    /// Somebody puts a pod under a Job, which may be another's, by whatever kind, group and name.
    async fn names_an_owner(&mut self) {
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

    /// Somebody changes where a pod runs that waits at a gate.
    async fn places(&mut self) {
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

    /// Nobody chose where a pod runs that runs as somebody, once it was there; and it counts for a Job of its own user's only.
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
            // Jobs that JobSets and CronJobs make say whose they are in their pods only.
            let Some(root) = roots.get(&owner.uid).and_then(Value::as_str) else {
                continue;
            };
            let asked: &Asked = self.roots.get(root).context("a Job of nobody's")?;
            self.runs_as(ns, pod, asked)
                .with_context(|| format!("it counts for Job {}", owner.name))?;
            let is_another = pod.labels().get(ROOT).is_some_and(|own| own != root);
            self.orphans.adopted += usize::from(is_another);
        }
        Ok(())
    }
}

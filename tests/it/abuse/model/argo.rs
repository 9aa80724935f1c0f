//! Argo's kinds in the model. The model writes in place of its controller, with stale versions too, and also as an impostor.

mod controller;
mod objects;
mod people;
mod pod_keys;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject},
};
use namesake_api::names::STAMP_ANNOTATION;
use namesake_tests::{
    cluster::{ARGO_NAMESPACE, manifests, person::Person},
    controllers::replayed_argo::{Controller, kind},
    namespace::TestNamespace,
};
use serde_json::{Value, json};

use super::{Model, ROOT, Requesters};
use objects::of_pods;
use pod_keys::Tried;

const TEMPLATE: &str = "WorkflowTemplate";
const CLUSTER_TEMPLATE: &str = "ClusterWorkflowTemplate";
const CRON: &str = "CronWorkflow";
const WORKFLOW: &str = "Workflow";

/// Every version of an object's spec, and who wrote it.
type Versions = Vec<(Value, Requesters)>;

/// The users who wrote exactly this version, at any time.
fn asked_for(versions: &Versions, at: usize) -> Requesters {
    let same = versions
        .iter()
        .filter(|(says, _)| of_pods(says) == of_pods(&versions[at].0));
    same.flat_map(|(_, by)| by.iter().cloned()).collect()
}

/// Only this person, if they are among the requesters: what several people contributed to belongs to none of them.
fn alone(asked: &Requesters, person: &Person) -> Requesters {
    asked
        .iter()
        .filter(|by| **by == person.name)
        .cloned()
        .collect()
}

/// A CronWorkflow, possibly deleted.
struct Cron {
    object: DynamicObject,
    versions: Versions,
}

/// A Workflow, with every version that Argo may still see.
struct Run {
    name: String,
    starter: Option<String>,
    versions: Vec<(DynamicObject, Requesters)>,
}

/// Argo's objects in the model, and counts of what happened.
pub(super) struct Flows {
    argo: Controller,
    /// Somebody who impersonates Argo's controller.
    impostor: Controller,
    /// By kind and name; an object that is deleted and created again has one entry.
    templates: BTreeMap<(&'static str, String), Versions>,
    crons: BTreeMap<String, Cron>,
    runs: Vec<Run>,
    stamps: Vec<String>,
    keys: Tried,
    /// The number of Workflow pods with an identity, and of those that run as somebody other than the starter.
    pods: usize,
    of_another: usize,
}

impl Flows {
    pub(super) async fn of(ns: &TestNamespace) -> Result<Self> {
        let user = format!("system:serviceaccount:{ARGO_NAMESPACE}:argo");
        Ok(Self {
            argo: Controller::of(ns).await?,
            impostor: Controller(ns.impostor(&user).await?),
            templates: BTreeMap::new(),
            crons: BTreeMap::new(),
            runs: Vec::new(),
            stamps: Vec::new(),
            keys: Tried::default(),
            pods: 0,
            of_another: 0,
        })
    }

    pub(super) fn check_coverage(&self) -> Result<()> {
        self.keys.check_coverage()?;
        let (pods, of_another) = (self.pods, self.of_another);
        ensure!(
            pods > 20 && of_another > 2,
            "{pods} pods, {of_another} of another than their starter"
        );
        Ok(())
    }

    fn saw(&mut self, object: &DynamicObject) {
        self.stamps
            .extend(object.annotations().get(STAMP_ANNOTATION).cloned());
    }
}

/// Gives the people the right to deploy for the whole cluster while `test` runs.
pub(super) async fn with_cluster_wide_deployers(
    ns: &TestNamespace,
    work: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let name = format!("deploy-for-all-{}", ns.name);
    let people = [ns.alice().await?, ns.bob().await?, ns.mallory().await?];
    let subjects =
        people.map(|person| json!({"apiGroup": group, "kind": "User", "name": person.name}));
    let role = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{"apiGroups": ["argoproj.io"], "resources": ["clusterworkflowtemplates"],
            "verbs": ["get", "create", "update", "delete"]}]});
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name}, "subjects": subjects});
    let admin = ns.admin().await?;
    let worked = manifests::while_applied(admin.client(), &[role, binding], &ns.name, work).await;
    for number in 0..2 {
        let all: Api<DynamicObject> =
            Api::all_with(admin.client().clone(), &kind(CLUSTER_TEMPLATE));
        let _ = all
            .delete(&format!("{}-{number}", ns.name), &DeleteParams::default())
            .await;
    }
    worked
}

fn api(person: &Person, of: &str) -> Api<DynamicObject> {
    let resource = kind(of);
    if of == CLUSTER_TEMPLATE {
        Api::all_with(person.client().clone(), &resource)
    } else {
        person.objects(&resource)
    }
}

fn object(of: &str, metadata: &Value, spec: &Value) -> Value {
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": of, "metadata": metadata, "spec": spec})
}

impl Model {
    /// A random action on Argo's objects.
    pub(super) async fn act_on_argo(&mut self, ns: &TestNamespace) -> Result<()> {
        match self.random.below(24) {
            0 | 1 => self.deploy(ns).await,
            2..=4 => self.start(ns).await,
            5 => self.schedule(ns).await,
            6 => self.tick().await,
            7..=9 => self.store(ns).await?,
            10..=12 => self.step(ns).await?,
            13 | 14 => self.edit().await,
            16 | 17 => self.writes_argos_keys().await?,
            18 | 19 => self.start_that_names(ns).await?,
            20..=23 => self.start_deployed(ns).await?,
            _ => self.forget().await,
        }
        Ok(())
    }

    fn named_template(&mut self, ns: &TestNamespace) -> (&'static str, String) {
        let number = self.random.below(2);
        if self.random.one_in(4) {
            (CLUSTER_TEMPLATE, format!("{}-{number}", ns.name))
        } else {
            (TEMPLATE, format!("flow-{number}"))
        }
    }

    /// Annotations copied from somebody else's objects.
    fn copied_annotations(&mut self) -> Value {
        let at = self.random.below(self.flows.stamps.len() + 1);
        let of_jobs = self.jobs.get(self.random.below(self.jobs.len()));
        let of_jobs = of_jobs.and_then(|job| job.annotations().get(STAMP_ANNOTATION));
        match self.flows.stamps.get(at).or(of_jobs) {
            Some(stamp) => json!({STAMP_ANNOTATION: stamp}),
            None => json!({}),
        }
    }

    fn started(&mut self, made: DynamicObject, starter: Option<String>, asked: Requesters) {
        self.flows.saw(&made);
        self.flows.runs.push(Run {
            name: made.name_any(),
            starter,
            versions: vec![(made, asked)],
        });
    }
}

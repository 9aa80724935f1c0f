//! Argo's keys on pods: people write them into their objects and onto pods, with the names of other Workflows and their nodes.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use namesake_tests::{controllers::replayed_argo::create, namespace::TestNamespace};
use serde_json::{Value, json};

use super::objects::spec_of;
use super::{Model, Requesters, WORKFLOW, object};

pub(super) const PREFIX: &str = "workflows.argoproj.io/";
pub(super) const LABEL: &str = "workflows.argoproj.io/workflow";
pub(super) const NODE_ID: &str = "workflows.argoproj.io/node-id";
pub(super) const NODE_NAME: &str = "workflows.argoproj.io/node-name";
const COMPLETED: &str = "workflows.argoproj.io/completed";
const KILL: &str = "workflows.argoproj.io/kill-cmd-main";

/// A Workflow parameter whose value is the prefix.
const PARAMETER: &str = "{{workflow.parameters.argos}}";

/// Counts of what was tried.
#[derive(Default)]
pub(super) struct Tried {
    /// Pods that Argo created from specs that name another Workflow: refused, or accepted because the name is the pod's own.
    pub(super) refused: usize,
    pub(super) let_through: usize,
    /// Refused changes of pods.
    changes: usize,
}

impl Tried {
    pub(super) fn check_coverage(&self) -> Result<()> {
        let (refused, let_through, changes) = (self.refused, self.let_through, self.changes);
        ensure!(
            refused > 3 && let_through > 0 && changes > 10,
            "Argo's keys on pods: {refused} pods refused, {let_through} let through, {changes} changes refused"
        );
        Ok(())
    }
}

/// Argo's keys on a pod.
fn keys(pod: &Pod) -> BTreeMap<&String, &String> {
    let all = pod.labels().iter().chain(pod.annotations());
    all.filter(|(key, _)| key.starts_with(PREFIX)).collect()
}

/// Whether the pod metadata in a spec names a Workflow or a node.
pub(super) fn is_named(spec: &Value) -> bool {
    let theirs = ["/podMetadata", "/templates/0/metadata"];
    let mut theirs = theirs.into_iter().filter_map(|path| spec.pointer(path));
    theirs.any(|metadata| rendered(metadata).to_string().contains(PREFIX))
}

/// Metadata as Argo renders it.
pub(super) fn rendered(metadata: &Value) -> Value {
    replaced(metadata, PARAMETER, PREFIX)
}

fn replaced(value: &Value, from: &str, to: &str) -> Value {
    let text = value.to_string().replace(from, to);
    serde_json::from_str(&text).unwrap_or_default()
}

impl Model {
    /// The name of a random Workflow, probably somebody else's.
    pub(crate) fn some_run(&mut self) -> Option<String> {
        let at = self.random.below(self.flows.runs.len());
        self.flows.runs.get(at).map(|run| run.name.clone())
    }

    /// Pod metadata that would make Argo assign the pods to another Workflow, or follow their instructions.
    pub(super) fn argos_keys(&mut self) -> Value {
        let Some(run) = self.some_run() else {
            return json!({});
        };
        match self.random.below(6) {
            0 => json!({"labels": {LABEL: run}}),
            1 => json!({"annotations": {NODE_ID: run, NODE_NAME: run}}),
            2 => json!({"labels": {COMPLETED: "true"}}),
            3 => json!({"annotations": {KILL: "[\"sh\"]"}}),
            _ => json!({"labels": {LABEL: run}, "annotations": {NODE_ID: run, NODE_NAME: run}}),
        }
    }

    /// Sometimes adds such metadata to a spec.
    pub(super) fn naming_another(&mut self, mut spec: Value) -> Value {
        if self.random.one_in(4) {
            let mut keys = self.argos_keys();
            if self.random.one_in(2) {
                keys = replaced(&keys, PREFIX, PARAMETER);
            }
            let of_a_template = self.random.one_in(2);
            let metadata = match spec.pointer_mut("/templates/0/metadata") {
                Some(metadata) if of_a_template => metadata,
                _ => &mut spec["podMetadata"],
            };
            json_patch::merge(metadata, &keys);
        }
        spec
    }

    /// A person starts a Workflow whose spec names a Workflow, itself or another, and Argo creates its pod. The keys are those that
    /// only Argo renders, because a spec with the keys themselves is refused.
    pub(super) async fn start_that_names(&mut self, ns: &TestNamespace) -> Result<()> {
        let person = self.person();
        let name = format!("named-{:x}", self.random.next_number());
        let other = self.some_run().filter(|_| self.random.one_in(2));
        let named = other.as_ref().unwrap_or(&name);
        let keys =
            json!({"labels": {LABEL: named}, "annotations": {NODE_ID: named, NODE_NAME: named}});
        let mut spec = spec_of(&person.name, self.random.below(1000));
        json_patch::merge(
            &mut spec["podMetadata"],
            &replaced(&keys, PREFIX, PARAMETER),
        );
        let wish = object(WORKFLOW, &json!({"name": name}), &spec);
        if let Ok(made) = create(&person, &wish).await {
            let requesters = Requesters::from([person.name.clone()]);
            self.started(made, Some(person.name), requesters);
            self.step_of(ns, self.flows.runs.len() - 1).await?;
        }
        Ok(())
    }

    /// A person writes such metadata onto an existing pod.
    pub(super) async fn writes_argos_keys(&mut self) -> Result<()> {
        let (person, metadata) = (self.person(), self.argos_keys());
        let at = self.random.below(self.pods.len());
        let Some(pod) = self.pods.get(at) else {
            return Ok(());
        };
        let change = json!({"metadata": metadata});
        match person.patch::<Pod>(&pod.name_any(), change).await {
            Ok(changed) => ensure!(
                keys(&changed) == keys(pod),
                "{} changed what Argo goes by: {:?}",
                person.name,
                changed.metadata
            ),
            Err(kube::Error::Api(status)) if status.code == 403 => self.flows.keys.changes += 1,
            Err(_) => {}
        }
        Ok(())
    }

    /// Checks that each pod has the keys of the Workflow it belongs to; other pods may name only Workflows of their own user.
    pub(crate) fn check_keys(&self, pods: &[Pod]) -> Result<()> {
        for pod in pods {
            let metadata = &pod.metadata;
            let text = |key| pod.labels().get(key).or(pod.annotations().get(key));
            let obeyed = keys(pod).into_keys().find(|key| key.contains("kill-cmd"));
            ensure!(
                obeyed.is_none(),
                "Argo would execute what somebody wrote: {metadata:?}"
            );
            let (label, nodes) = (text(LABEL), [text(NODE_ID), text(NODE_NAME)]);
            let owner = pod
                .owner_references()
                .iter()
                .find(|owner| owner.kind == WORKFLOW);
            if let Some(owner) = owner {
                let own = Some(&owner.name);
                ensure!(
                    label == own,
                    "a pod of another Workflow than it runs: {metadata:?}"
                );
                ensure!(nodes == [own; 2], "another node than it runs: {metadata:?}");
                continue;
            }
            // Somebody may have removed the owner of a pod that Argo created.
            ensure!(
                nodes == [None; 2] || nodes == [label; 2],
                "it says that it is a node of another Workflow: {metadata:?}"
            );
            let Some(label) = label else { continue };
            let user = pod.annotations().get(namesake_api::names::USER_ANNOTATION);
            let mut versions = self.flows.runs.iter().filter(|run| run.name == *label);
            let is_theirs = versions.any(|run| {
                let mut asked = run.versions.iter().map(|(_, asked)| asked);
                user.is_some_and(|user| asked.any(|asked| asked.contains(user)))
            });
            ensure!(
                is_theirs,
                "a pod of {user:?} names a Workflow of another: {metadata:?}"
            );
        }
        Ok(())
    }
}

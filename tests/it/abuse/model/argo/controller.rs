//! The actions of Argo's controller, or of an impostor; it may see stale versions.

use anyhow::{Context, Result};
use kube::{ResourceExt, api::DynamicObject};
use namesake_tests::{
    cluster::person::Person,
    controllers::replayed_argo::{Controller, create, owner, patch},
    namespace::{TestNamespace, account_of},
};
use serde_json::{Map, Value, json};

use super::objects::{is_stored, merged, pod, referred, runs};
use super::pod_keys::is_named;
use super::{CRON, Model, ROOT, Requesters, Versions, WORKFLOW, asked_for, object};

impl Model {
    /// Argo's controller, or an impostor.
    fn controller(&mut self) -> (Person, bool) {
        let itself = !self.random.one_in(8);
        let by = if itself {
            &self.flows.argo
        } else {
            &self.flows.impostor
        };
        (by.0.clone(), itself)
    }

    pub(super) async fn tick(&mut self) {
        let (by, _) = self.controller();
        let (at, behind) = (
            self.random.below(self.flows.crons.len()),
            self.random.below(3),
        );
        let Some((name, cron)) = self.flows.crons.iter().nth(at) else {
            return;
        };
        let version = cron.versions.len().saturating_sub(1 + behind);
        let (spec, asked) = (
            cron.versions[version].0.clone(),
            asked_for(&cron.versions, version),
        );
        let annotations = &cron.object.data["spec"]["workflowMetadata"]["annotations"];
        let metadata = json!({
            "generateName": format!("{name}-"), "annotations": annotations,
            "labels": {"workflows.argoproj.io/cron-workflow": name},
            "ownerReferences": [owner(&cron.object, CRON)]});
        if let Ok(made) = create(&by, &object(WORKFLOW, &metadata, &spec)).await {
            self.started(made, None, asked);
        }
    }

    /// The template that a Workflow references, as Argo sees it, and the requesters of the merged spec.
    fn template_of(
        &mut self,
        workflow: &DynamicObject,
        asked: &Requesters,
    ) -> Option<(Value, Requesters)> {
        let (key, is_pure) = referred(workflow)?;
        let behind = self.random.below(3);
        let versions = self.flows.templates.get(&key)?;
        let at = versions.len().saturating_sub(1 + behind);
        let by = asked_for(versions, at);
        let by = if is_pure { by } else { &by & asked };
        Some((versions.get(at)?.0.clone(), by))
    }

    /// Argo stores what a random Workflow runs.
    pub(super) async fn store(&mut self, ns: &TestNamespace) -> Result<()> {
        let at = self.random.below(self.flows.runs.len());
        self.store_of(ns, at).await
    }

    /// Argo stores what the Workflow at this index runs, if there is one.
    pub(super) async fn store_of(&mut self, ns: &TestNamespace, at: usize) -> Result<()> {
        let Some((old, asked)) = self
            .flows
            .runs
            .get(at)
            .and_then(|run| run.versions.last())
            .cloned()
        else {
            return Ok(());
        };
        let unread = referred(&old).is_some() && !is_stored(&old);
        let found = if unread {
            self.template_of(&old, &asked)
        } else {
            None
        };
        let (change, asked) = match found {
            Some((template, by)) => (
                json!({
                    "metadata": {"annotations": template["workflowMetadata"]["annotations"].as_object().unwrap_or(&Map::new())},
                    "status": {"phase": "Running", "storedWorkflowTemplateSpec": merged(&old, &template)}}),
                by,
            ),
            None => {
                let nodes =
                    json!({"n": {"phase": "Running", "id": self.random.below(1000).to_string()}});
                (json!({"status": {"nodes": nodes}}), asked)
            }
        };
        let (by, itself) = self.controller();
        let name = old.name_any();
        match patch(&by, WORKFLOW, &name, change).await {
            Ok(new) => self.flows.runs[at].versions.push((new, asked)),
            Err(kube::Error::Api(status)) if status.code == 404 || !itself => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("{}: what Argo writes is refused", ns.name));
            }
        }
        Ok(())
    }

    /// Argo creates a pod of a random Workflow.
    pub(super) async fn step(&mut self, ns: &TestNamespace) -> Result<()> {
        let at = self.random.below(self.flows.runs.len());
        self.step_of(ns, at).await
    }

    /// Argo creates a pod of the Workflow at this index, if there is one.
    pub(super) async fn step_of(&mut self, ns: &TestNamespace, at: usize) -> Result<()> {
        let Some(run) = self.flows.runs.get(at) else {
            return Ok(());
        };
        let behind = self.random.below(3);
        let version = run.versions.len().saturating_sub(1 + behind);
        // It remembers what it has stored itself.
        let stored = run.versions.iter().position(|(o, _)| is_stored(o));
        let version = version.max(stored.unwrap_or(0));
        let (seen, asked) = run.versions[version].clone();
        let starter = run.starter.clone();
        let (spec, asked) = if referred(&seen).is_some() && !is_stored(&seen) {
            // Argo creates the first pod before it stores the spec of the Workflow.
            let Some((template, by)) = self.template_of(&seen, &asked) else {
                return Ok(());
            };
            (merged(&seen, &template), by)
        } else {
            let versions: Versions = run
                .versions
                .iter()
                .map(|(o, by)| (runs(o), by.clone()))
                .collect();
            (runs(&seen), asked_for(&versions, version))
        };
        let mut made = pod(&seen, &spec);
        made["metadata"]["labels"][ROOT] = json!(self.root(asked.clone()));
        let (by, itself) = self.controller();
        let named = usize::from(itself && is_named(&spec));
        let Ok(pod) = Controller(by).create_pod(made).await else {
            self.flows.keys.refused += named;
            return Ok(());
        };
        self.flows.keys.let_through += named;
        if account_of(&pod).starts_with("mf-") {
            let user = self.runs_as(ns, &pod, &asked)?;
            self.flows.pods += 1;
            self.flows.of_another += usize::from(starter.is_some_and(|starter| starter != user));
        }
        Ok(())
    }
}

//! The actions of people on Argo's objects.

use anyhow::Result;
use kube::{
    ResourceExt,
    api::{DeleteParams, DynamicObject, PostParams},
};
use namesake_api::names::STAMP_ANNOTATION;
use namesake_tests::{
    controllers::replayed_argo::{create, owner, patch},
    namespace::TestNamespace,
};
use serde_json::json;

use super::objects::{reference, runs, spec_of};
use super::{CRON, Cron, Model, Requesters, WORKFLOW, alone, api, object};

impl Model {
    pub(super) async fn deploy(&mut self, ns: &TestNamespace) {
        let (person, (of, name)) = (self.person(), self.named_template(ns));
        let key = (of, name.clone());
        let before = self.flows.templates.get(&key).map_or(0, Vec::len);
        let spec = spec_of(&person.name, self.random.below(1000));
        let mut spec = self.naming_another(spec);
        if before > 0 && self.random.one_in(3) {
            spec = self.flows.templates[&key][self.random.below(before)]
                .0
                .clone();
        }
        let metadata = json!({"name": name, "annotations": self.copied_annotations()});
        if self.random.one_in(3) {
            spec["workflowMetadata"] = json!({"annotations": self.copied_annotations()});
        }
        let Ok(mut wish) = serde_json::from_value::<DynamicObject>(object(of, &metadata, &spec))
        else {
            return;
        };
        let api = api(&person, of);
        let deployed = match api.get_opt(&name).await {
            Ok(Some(there)) => {
                wish.metadata.resource_version = there.metadata.resource_version;
                api.replace(&name, &PostParams::default(), &wish).await
            }
            _ => api.create(&PostParams::default(), &wish).await,
        };
        if let Ok(deployed) = deployed {
            self.flows.saw(&deployed);
            let versions = self.flows.templates.entry(key).or_default();
            versions.push((
                deployed.data["spec"].clone(),
                Requesters::from([person.name]),
            ));
        }
    }

    pub(super) async fn start(&mut self, ns: &TestNamespace) {
        let (person, (of, name)) = (self.person(), self.named_template(ns));
        let mut spec = reference(of, &name);
        let mut metadata =
            json!({"generateName": "run-", "annotations": self.copied_annotations()});
        let mut wish = json!({});
        match self.random.below(10) {
            0 | 1 => {
                spec = spec_of(&person.name, self.random.below(1000));
                spec = self.naming_another(spec);
            }
            2 => spec["podMetadata"] = json!({"annotations": {"note": person.name}}),
            3 => wish["status"] = json!({"storedWorkflowTemplateSpec": spec_of(&person.name, 0)}),
            4 => {
                // Like `resubmit`: all annotations, and the spec.
                let at = self.random.below(self.flows.runs.len());
                let last = self.flows.runs.get(at).and_then(|run| run.versions.last());
                if let Some((other, _)) = last {
                    metadata["annotations"] = json!(other.annotations());
                    spec = other.data["spec"].clone();
                }
            }
            5 => {
                let cron = self.flows.crons.values().next();
                if let Some(cron) = cron {
                    metadata["ownerReferences"] = json!([owner(&cron.object, CRON)]);
                    spec = cron.object.data["spec"]["workflowSpec"].clone();
                }
            }
            _ => {}
        }
        json_patch::merge(&mut wish, &object(WORKFLOW, &metadata, &spec));
        let requesters = Requesters::from([person.name.clone()]);
        if let Ok(made) = create(&person, &wish).await {
            self.started(made, Some(person.name), requesters);
        }
    }

    /// One person deploys a template, another starts it, and Argo stores what it runs and creates its pod before anything else happens.
    /// Without this action some seeds created almost no pod for a starter who is not the deployer: Argo picks a random Workflow.
    pub(super) async fn start_deployed(&mut self, ns: &TestNamespace) -> Result<()> {
        self.deploy(ns).await;
        let before = self.flows.runs.len();
        self.start(ns).await;
        if self.flows.runs.len() > before {
            self.store_of(ns, before).await?;
            self.step_of(ns, before).await?;
        }
        Ok(())
    }

    pub(super) async fn schedule(&mut self, ns: &TestNamespace) {
        let person = self.person();
        let name = format!("cron-{}", self.random.below(3));
        let spec = spec_of(&person.name, self.random.below(1000));
        let mut spec = self.naming_another(spec);
        if self.random.one_in(2) {
            let (of, template) = self.named_template(ns);
            spec = reference(of, &template);
        }
        let Some(cron) = self.flows.crons.get_mut(&name) else {
            let spec = json!({"schedules": ["0 0 30 2 *"], "workflowSpec": spec,
                "workflowMetadata": {"annotations": self.copied_annotations()}});
            let wish = object(
                CRON,
                &json!({"name": name, "annotations": self.copied_annotations()}),
                &spec,
            );
            if let Ok(made) = create(&person, &wish).await {
                self.flows.saw(&made);
                let versions = vec![(
                    made.data["spec"]["workflowSpec"].clone(),
                    Requesters::from([person.name]),
                )];
                self.flows.crons.insert(
                    name,
                    Cron {
                        object: made,
                        versions,
                    },
                );
            }
            return;
        };
        let change = match self.random.below(4) {
            0 => json!({"spec": {"workflowSpec": {"templates": spec["templates"]}}}),
            1 => {
                json!({"spec": {"workflowSpec": {"workflowTemplateRef": spec["workflowTemplateRef"]}}})
            }
            2 => json!({"spec": {"suspend": true}}),
            _ => json!({"spec": {"suspend": false}}),
        };
        if let Ok(changed) = patch(&person, CRON, &name, change).await {
            let (says, requesters) = cron.versions.last().cloned().unwrap_or_default();
            let now = changed.data["spec"]["workflowSpec"].clone();
            let requesters = if now == says {
                requesters
            } else {
                alone(&requesters, &person)
            };
            cron.versions.push((now, requesters));
            cron.object = changed;
        }
    }

    pub(super) async fn edit(&mut self) {
        let person = self.person();
        let at = self.random.below(self.flows.runs.len());
        let evil = spec_of(&person.name, self.random.below(1000));
        let evil = self.naming_another(evil);
        let change = match self.random.below(8) {
            0 => json!({"metadata": {"annotations": self.copied_annotations()}}),
            1 => json!({"spec": {"suspend": self.random.one_in(2)}}),
            2 => json!({"spec": {"templates": evil["templates"]}}),
            3 => json!({"spec": {"podMetadata": evil["podMetadata"]}}),
            4 => {
                json!({"spec": {"workflowTemplateRef": {"name": format!("flow-{}", self.random.below(2))}}})
            }
            5 => {
                json!({"status": {"storedWorkflowTemplateSpec": {"templates": evil["templates"]}}})
            }
            6 => json!({"status": {"storedWorkflowTemplateSpec": evil}}),
            _ => {
                json!({"metadata": {"labels": {"edited-by": person.name}, "annotations": {STAMP_ANNOTATION: null}}})
            }
        };
        let Some(run) = self.flows.runs.get_mut(at) else {
            return;
        };
        let Ok(new) = patch(&person, WORKFLOW, &run.name, change).await else {
            return;
        };
        if let Some((old, requesters)) = run.versions.last() {
            let requesters = if runs(&new) == runs(old) {
                requesters.clone()
            } else {
                alone(requesters, &person)
            };
            run.versions.push((new, requesters));
        }
    }

    pub(super) async fn forget(&mut self) {
        let person = self.person();
        let params = DeleteParams::default();
        if self.random.one_in(2) {
            let at = self.random.below(self.flows.templates.len());
            if let Some(((of, name), _)) = self.flows.templates.iter().nth(at) {
                let _ = api(&person, of).delete(name, &params).await;
            }
            return;
        }
        let at = self.random.below(self.flows.runs.len());
        if let Some(run) = self.flows.runs.get(at) {
            let _ = api(&person, WORKFLOW).delete(&run.name, &params).await;
        }
    }
}

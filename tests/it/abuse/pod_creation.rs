//! Every way to create a pod: by a person, by the controllers of Kubernetes, and by somebody who imitates them.

mod accounts;
mod cronjobs;
mod jobsets;
mod refusals;
mod requesters;

use anyhow::{Context, Result};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use namesake_tests::drafts::{Draft, metaflow_job};
use serde_json::{Value, json};

/// The pod template of a Metaflow task.
fn template_of(draft: Draft) -> Value {
    draft.into_value()["spec"]["template"].take()
}

/// A template that runs something else.
fn with_other_command(template: &Value) -> Value {
    let mut template = template.clone();
    template["spec"]["containers"][0]["image"] = json!("other-image");
    template
}

/// The Job that a controller creates for a parent.
fn job_of(parent: &Parent, template: &Value) -> Result<Job> {
    let mut job = metaflow_job().into_value();
    let template =
        json!({"metadata": template["metadata"].clone(), "spec": template["spec"].clone()});
    job["metadata"] = json!({"generateName": format!("{}-", parent.name), "ownerReferences": [{
        "apiVersion": parent.api_version, "kind": parent.kind, "name": parent.name, "uid": parent.uid,
        "controller": true, "blockOwnerDeletion": true}]});
    job["spec"]["template"] = template;
    Ok(serde_json::from_value(job)?)
}

/// The owner reference of a child.
struct Parent {
    api_version: &'static str,
    kind: &'static str,
    name: String,
    uid: String,
}

impl Parent {
    fn of(
        api_version: &'static str,
        kind: &'static str,
        object: &impl ResourceExt,
    ) -> Result<Parent> {
        Ok(Parent {
            api_version,
            kind,
            name: object.name_any(),
            uid: object.uid().context("no uid")?,
        })
    }
}

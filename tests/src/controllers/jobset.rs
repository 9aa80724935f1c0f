//! `JobSet` without its controller, which is in no package registry: its objects, its account, and the Jobs that the controller
//! (v0.12.0) was recorded to create.

use anyhow::{Context, Result};
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};

use crate::{
    cluster::person::Person,
    controllers::recorded::{PARALLEL, as_sent, created, renamed},
    namespace::TestNamespace,
};

/// The JobSets in a person's namespace.
#[must_use]
pub fn job_sets(who: &Person) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("jobset.x-k8s.io", "v1alpha2", "JobSet");
    who.objects(&ApiResource::from_gvk(&gvk))
}

/// The JobSet of a parallel step (control and worker), as Metaflow writes it, with this pod template.
///
/// # Errors
/// The metadata is not valid.
pub fn job_set(metadata: &Value, template: &Value) -> Result<DynamicObject> {
    let mut job_set = as_sent(recorded_set()?);
    job_set["metadata"] = metadata.clone();
    let replicated = job_set["spec"]["replicatedJobs"].as_array_mut();
    for job in replicated.context("no Jobs were recorded")? {
        job["template"]["spec"]["template"] = template.clone();
    }
    Ok(serde_json::from_value(job_set)?)
}

/// The Job that its controller creates from one of its templates: as recorded, with the content of this one.
///
/// # Errors
/// The template is not valid.
pub fn job_of(job_set: &DynamicObject, of: usize) -> Result<Job> {
    let replicated = &job_set.data["spec"]["replicatedJobs"][of];
    let is_owned = |job: &&Value| job["metadata"].get("ownerReferences").is_some();
    let mut recorded = created(&PARALLEL, "jobs").filter(is_owned);
    let recorded = recorded.nth(of).context("no such Job was recorded")?;
    let parent = &recorded_set()?["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names = [
        (text(&parent["name"]), job_set.name_any()),
        (text(&parent["uid"]), job_set.uid().unwrap_or_default()),
    ];
    let names = names
        .each_ref()
        .map(|(old, new)| (old.as_str(), new.as_str()));
    let mut job = renamed(&as_sent(recorded), &names);
    let marks = job["spec"]["template"]["metadata"].take();
    job["spec"] = replicated["template"]["spec"].clone();
    for part in ["labels", "annotations"] {
        let marks = marks[part].as_object().into_iter().flatten();
        for (key, value) in marks.filter(|(key, _)| key.starts_with("jobset.sigs.k8s.io/")) {
            job["spec"]["template"]["metadata"][part][key] = value.clone();
        }
    }
    // Where the template has none, as in the recording `jobset-suspend-resume`.
    let subdomain = &mut job["spec"]["template"]["spec"]["subdomain"];
    if subdomain.is_null() {
        *subdomain = json!(job_set.name_any());
    }
    job["spec"]["suspend"] = job_set.data["spec"]["suspend"].clone();
    Ok(serde_json::from_value(job)?)
}

fn recorded_set() -> Result<&'static Value> {
    let mut recorded = created(&PARALLEL, "jobsets");
    recorded.next().context("no JobSet was recorded")
}

/// Its controller, with its own account.
///
/// # Errors
/// There is no such account.
pub async fn controller(ns: &TestNamespace) -> Result<Person> {
    let cluster = ns.stack.cluster();
    cluster
        .service_account("jobset-system", "jobset-controller-manager", &ns.name)
        .await
}

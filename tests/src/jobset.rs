//! `JobSet` without its controller, which is in no package registry: its kind, its account, and the Jobs that it makes,
//! replayed as it was seen to make them. Proven by replay, not by the controller itself.

use anyhow::Result;
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};

use crate::{namespace::TestNamespace, person::Person};

/// The version that Metaflow writes.
pub const VERSION: &str = "jobset.x-k8s.io/v1alpha2";

/// Theirs, in their namespace.
#[must_use]
pub fn job_sets(who: &Person) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("jobset.x-k8s.io", "v1alpha2", "JobSet");
    who.objects(&ApiResource::from_gvk(&gvk))
}

/// Control and worker of one step, as Metaflow writes them.
///
/// # Errors
/// Metadata that is none.
pub fn job_set(metadata: &Value, template: &Value) -> Result<DynamicObject> {
    let job = |name: &str| json!({"name": name, "replicas": 1, "template": {"spec": {"backoffLimit": 0, "template": template}}});
    Ok(serde_json::from_value(json!({
        "apiVersion": VERSION, "kind": "JobSet", "metadata": metadata,
        "spec": {"replicatedJobs": [job("control"), job("worker")]}}))?)
}

/// The Job that its controller makes of one of its templates: with what it adds.
///
/// # Errors
/// A template that is none.
pub fn job_of(job_set: &DynamicObject, of: usize) -> Result<Job> {
    let (name, index) = (job_set.name_any(), of.to_string());
    let replicated = &job_set.data["spec"]["replicatedJobs"][of];
    let mut spec = replicated["template"]["spec"].clone();
    let key = |key: &str| format!("jobset.sigs.k8s.io/{key}");
    let marks = json!({key("jobset-name"): name, key("job-index"): index, key("replicatedjob-name"): replicated["name"]});
    for part in ["labels", "annotations"] {
        for (key, value) in marks.as_object().into_iter().flatten() {
            spec["template"]["metadata"][part][key] = value.clone();
        }
    }
    spec["template"]["spec"]["subdomain"] = json!(name);
    spec["suspend"] = job_set.data["spec"]["suspend"].clone();
    Ok(serde_json::from_value(json!({
        "metadata": {
            "name": format!("{name}-{}-0", replicated["name"].as_str().unwrap_or_default()), "labels": marks, "annotations": marks,
            "ownerReferences": [{"apiVersion": VERSION, "kind": "JobSet", "name": name, "uid": job_set.uid(),
                "controller": true, "blockOwnerDeletion": true}]},
        "spec": spec}))?)
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

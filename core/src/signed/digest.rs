//! Digests of what an object would run: a stamp signs them, and what is created from the object later must have one of them.
//!
//! A digest does not depend on the order of members, nor on whether a value is absent, null or empty. The digest of a pod
//! template covers everything except what controllers, quotas and the API server fill in, so that it is the same before and
//! after that.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::json::Json;

mod defaults;
mod writer;

use defaults::is_default;
use writer::DigestWriter;

/// The digest of what would run, in base32.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Members of a pod's spec that say where it runs, not what; controllers and quotas fill them in.
const PLACEMENT: [&str; 7] = [
    "affinity",
    "nodeSelector",
    "schedulingGates",
    "serviceAccount",
    "subdomain",
    "tolerations",
    "topologySpreadConstraints",
];

/// Quantities, which the API server normalizes (`1000m` becomes `1`).
const QUANTITIES: [&str; 3] = ["limits", "requests", "sizeLimit"];

/// The domain of the labels and annotations that the JobSet controller adds to what it creates.
const JOBSET_DOMAIN: &str = "jobset.sigs.k8s.io";

/// Labels by which a Job finds its pods. The API server adds them to the template of a new Job.
const JOB_LABELS: [&str; 4] = [
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
];

/// The digest of what a pod template runs.
#[must_use]
pub fn digest_of_pod_template(template: &Json<'_>) -> Digest {
    digest(template, &|key| !is_of_jobset(key))
}

/// The digest of what the pods of a Job run, the same before and after the API server adds labels to its template.
#[must_use]
pub fn digest_of_job_template(template: &Json<'_>) -> Digest {
    digest(template, &|key| {
        !is_of_jobset(key) && !JOB_LABELS.contains(&key)
    })
}

fn digest(template: &Json<'_>, counts: &dyn Fn(&str) -> bool) -> Digest {
    let (metadata, spec) = (template.get("metadata"), template.get("spec"));
    let mut writer = DigestWriter::new("pod-template");
    for keys in ["labels", "annotations"] {
        writer.value(metadata.get(keys), &|key, _| counts(key));
    }
    let named = |member| spec.get(member).non_empty_str();
    let account = named("serviceAccountName").or_else(|| named("serviceAccount"));
    writer.text(account.unwrap_or_default());
    match spec {
        Json::Object(members) => {
            let kept = |key: &str| !PLACEMENT.contains(&key) && key != "serviceAccountName";
            let counts_here = |key: &str, value: &Json<'_>| kept(key) && is_executed(key, value);
            writer.members(members, &counts_here, &is_executed);
        }
        other => writer.value(other, &is_executed),
    }
    writer.digest()
}

fn is_of_jobset(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    domain
        .strip_suffix(JOBSET_DOMAIN)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn is_executed(key: &str, value: &Json<'_>) -> bool {
    !QUANTITIES.contains(&key) && !is_default(key, value)
}

#[cfg(test)]
pub(crate) mod tests;

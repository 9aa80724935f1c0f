//! `JobSet`, which Metaflow's `@parallel` creates.

use namesake_core::{Json, Launcher, digest_of_pod_template};

use super::stopping::SUSPEND;
use super::{
    Kind, ParentKind, Parts, PodTemplates, Role, Runs, Scope, Template, TemplateError, template,
};

const TEMPLATE: [&str; 3] = ["template", "spec", "template"];

/// Creates Jobs from its templates, at once and whenever it restarts; while it is suspended, its templates may change.
pub(super) const JOB_SET: Kind = Kind {
    group: "jobset.x-k8s.io",
    kind: "JobSet",
    name: "jobset.x-k8s.io/JobSet",
    plural: "jobsets",
    version: "v1alpha2",
    scope: Scope::Namespaced,
    role: Role::Parent(ParentKind {
        launcher: Launcher::JobSet,
        creates: Some("batch/Job"),
        // Its headless Service finds pods by the first of them.
        adopts_by: &[
            "jobset.sigs.k8s.io/jobset-name",
            "jobset.sigs.k8s.io/jobset-uid",
            "jobset.sigs.k8s.io/job-key",
            "jobset.sigs.k8s.io/replicatedjob-name",
        ],
        pods: Some(PodTemplates {
            stops: &[SUSPEND],
            read: templates,
            runs: Runs::Signed {
                own: |parts| {
                    let jobs = parts.spec.get("replicatedJobs").items();
                    let templates = jobs.iter().map(|job| job.at(&TEMPLATE));
                    templates.map(digest_of_pod_template).collect()
                },
                child: |job| digest_of_pod_template(job.spec.get("template")),
            },
        }),
    }),
};

fn templates<'p>(parts: &'p Parts<'_>) -> Result<Vec<Template<'p>>, TemplateError> {
    // Its controller then adds volumes of its own, so that no Job would match the stamp.
    let policies = parts.spec.get("volumeClaimPolicies");
    if !matches!(policies, Json::Null) && *policies != Json::Array(Vec::new()) {
        return Err(TemplateError::new(
            "spec.volumeClaimPolicies",
            "is not supported here",
        ));
    }
    let jobs = match parts.spec.get("replicatedJobs") {
        Json::Null => return Ok(Vec::new()),
        Json::Array(jobs) => jobs,
        _ => return Err(TemplateError::new("spec.replicatedJobs", "is not a list")),
    };
    let read = |(i, job)| template::read(job, &TEMPLATE, &format!("spec.replicatedJobs[{i}]"));
    let all = jobs.iter().enumerate().map(read);
    let all: Vec<Option<Template<'_>>> = all.collect::<Result<_, _>>()?;
    Ok(all.into_iter().flatten().collect())
}

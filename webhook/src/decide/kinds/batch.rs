//! Kubernetes' own: Job and `CronJob`.

use namesake_core::{Launcher, digest_of_job_template, digest_of_pod_template};

use super::stopping::{DEADLINE, SUSPEND, Stop, is_lower};
use super::{Kind, ParentKind, PodTemplates, Role, Runs, Scope, template};

/// Runs its template, of which a few parts may change while it is suspended.
pub(super) const JOB: Kind = Kind {
    group: "batch",
    kind: "Job",
    name: "batch/Job",
    plural: "jobs",
    version: "v1",
    scope: Scope::Namespaced,
    role: Role::Parent(ParentKind {
        launcher: Launcher::Job,
        creates: Some("Pod"),
        adopts_by: &[
            "batch.kubernetes.io/controller-uid",
            "batch.kubernetes.io/job-name",
            "controller-uid",
            "job-name",
        ],
        pods: Some(PodTemplates {
            stops: &[
                SUSPEND,
                DEADLINE,
                Stop {
                    member: "parallelism",
                    stops: |old, new| is_lower(old, new, 1),
                },
            ],
            read: |parts| {
                let template = template::read(&parts.spec, &["template"], "spec")?;
                Ok(template.into_iter().collect())
            },
            runs: Runs::Itself {
                own: |parts| digest_of_job_template(parts.spec.get("template")),
            },
        }),
    }),
};

const JOB_TEMPLATE: [&str; 3] = ["jobTemplate", "spec", "template"];

/// Runs, each time, the template that it has then.
pub(super) const CRON_JOB: Kind = Kind {
    group: "batch",
    kind: "CronJob",
    name: "batch/CronJob",
    plural: "cronjobs",
    version: "v1",
    scope: Scope::Namespaced,
    role: Role::Parent(ParentKind {
        launcher: Launcher::CronJob,
        creates: Some("batch/Job"),
        adopts_by: &[],
        pods: Some(PodTemplates {
            stops: &[SUSPEND],
            read: |parts| {
                let template = template::read(&parts.spec, &JOB_TEMPLATE, "spec")?;
                Ok(template.into_iter().collect())
            },
            runs: Runs::Signed {
                own: |parts| {
                    let template = parts.spec.at(&JOB_TEMPLATE);
                    vec![digest_of_pod_template(template)]
                },
                child: |job| digest_of_pod_template(job.spec.get("template")),
            },
        }),
    }),
};

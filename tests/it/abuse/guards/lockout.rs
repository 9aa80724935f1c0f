//! Attempts to lock others out: objects that cannot be deleted, or that occupy the names of others.

use anyhow::{Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use namesake_sandbox::kubernetes::users::BOB;
use namesake_tests::{drafts::metaflow_job, eventually::eventually, namespace::with_namespace};
use serde_json::json;

/// More than a policy can compare pairwise within its budget.
const KEYS: usize = 3000;

#[test]
fn a_pod_with_thousands_of_namesake_keys_starts_and_its_job_completes() -> Result<()> {
    with_namespace(|ns| async move {
        let job = (0..KEYS).fold(metaflow_job(), |job, i| {
            job.annotated(&format!("namesake.dev/k{i}"), "x")
        });
        let job = ns.bob().await?.create::<Job>(job).await?;
        let pod = ns.pod_of(&job).await?;
        ns.runs_as(&pod, BOB).await?;
        ns.wait_until_ungated(&pod).await?;
        let admin = ns.admin().await?;
        let ended = Patch::Merge(json!({"status": {"phase": "Succeeded"}}));
        let pods = admin.all::<Pod>();
        pods.patch_status(&pod.name_any(), &PatchParams::default(), &ended)
            .await?;
        eventually("the Job counts its pod", async || {
            let job: Job = admin.all().get(&job.name_any()).await?;
            let succeeded = job.status.and_then(|status| status.succeeded);
            ensure!(succeeded == Some(1), "{succeeded:?}");
            Ok(())
        })
        .await
    })
}

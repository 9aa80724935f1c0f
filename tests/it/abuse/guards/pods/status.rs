//! Status of pods and Jobs: only nodes and controllers write it, and nobody with rights in one namespace only.

use anyhow::{Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use namesake_sandbox::kubernetes::users::SCHEDULER;
use namesake_tests::{
    cluster::{
        person::{Namespaced, Person},
        refusal::refused,
    },
    controllers::jobset::{job_set, job_sets},
    drafts::{metaflow_job, metaflow_pod},
    namespace::with_namespace,
};
use serde_json::{Value, json};

use crate::abuse::guards::owner::with_every_right;

async fn patch_status<K: Namespaced>(person: &Person, name: &str, status: Value) -> kube::Result<K>
where
    <K as Resource>::DynamicType: Default,
{
    let patch = Patch::Merge(json!({"status": status}));
    let all = person.all::<K>();
    all.patch_status(name, &PatchParams::default(), &patch)
        .await
}

#[test]
fn every_right_in_the_namespace_is_not_enough_to_write_the_status_of_bobs_pods() -> Result<()> {
    with_namespace(|ns| async move {
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let bobs = ns.pod_of(&job).await?.name_any();
        let owner = with_every_right(&ns).await?;
        let own = owner.create::<Pod>(metaflow_pod()).await?.name_any();
        // Even on her own pod: the proxy connects to the address in its status.
        for (pod, status) in [
            (&bobs, json!({"phase": "Succeeded"})),
            (&bobs, json!({"nominatedNodeName": "no-metadata-server"})),
            (
                &own,
                json!({"podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}]}),
            ),
        ] {
            refused(patch_status::<Pod>(&owner, pod, status).await)?
                .with_code(403)?
                .with_message("says how it ended")?
                .with_message(&owner.name)?;
        }
        refused(patch_status::<Job>(&owner, &job.name_any(), json!({"failed": 1})).await)?
            .with_code(403)?
            .with_message("jobs")?;
        Ok(())
    })
}

#[test]
fn only_its_controller_writes_the_status_of_bobs_job_set() -> Result<()> {
    with_namespace(|ns| async move {
        let template = metaflow_job().into_value()["spec"]["template"].take();
        let wish = job_set(&json!({"name": "bobs"}), &template)?;
        let sets = job_sets(&ns.bob().await?);
        sets.create(&Default::default(), &wish).await?;
        let owner = with_every_right(&ns).await?;
        let done = Patch::Merge(json!({"status": {"terminalState": "Completed"}}));
        let params = PatchParams::default();
        refused(job_sets(&owner).patch_status("bobs", &params, &done).await)?
            .with_code(403)?
            .with_message("jobsets")?;
        let controller = namesake_tests::controllers::jobset::controller(&ns).await?;
        job_sets(&controller)
            .patch_status("bobs", &params, &done)
            .await?;
        Ok(())
    })
}

#[test]
fn the_scheduler_admins_and_controllers_write_the_status_of_pods() -> Result<()> {
    with_namespace(|ns| async move {
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?.name_any();
        let scheduler = ns.stack.cluster().user(SCHEDULER, &ns.name).await?;
        let unschedulable = json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]});
        patch_status::<Pod>(&scheduler, &pod, unschedulable).await?;
        let collector = ns.controller("pod-garbage-collector").await?;
        patch_status::<Pod>(&collector, &pod, json!({"reason": "Lost"})).await?;
        let admin = ns.admin().await?;
        let done: Pod = patch_status(&admin, &pod, json!({"phase": "Succeeded"})).await?;
        ensure!(done.status.and_then(|status| status.phase).as_deref() == Some("Succeeded"));
        // The job controller still writes the status of the Job.
        namesake_tests::eventually::eventually("the Job is done", async || {
            let job: Job = admin.all().get(&job.name_any()).await?;
            let succeeded = job.status.and_then(|status| status.succeeded);
            ensure!(succeeded == Some(1), "{succeeded:?}");
            Ok(())
        })
        .await
    })
}

//! Owner references added by UPDATE: nobody makes an object the child of another user's object.

use anyhow::{Context, Result};
use k8s_openapi::api::{
    batch::v1::{CronJob, Job},
    core::v1::Pod,
};
use kube::{
    ResourceExt,
    api::{ApiResource, GroupVersionKind, Patch, PatchParams, PostParams},
};
use namesake_sandbox::kubernetes::users::BOB;
use namesake_tests::{
    cluster::refusal::refused,
    controllers::replayed_argo,
    drafts::{metaflow_job, pod},
    eventually::eventually,
    namespace::with_namespace,
};
use serde_json::{Value, json};

use crate::abuse::guards::person_with_cluster_rights;

fn owner(kind: &str, version: &str, name: &str, uid: &str) -> Value {
    json!({"metadata": {"ownerReferences": [
        {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true}]}})
}

#[test]
fn an_existing_pod_cannot_be_made_a_child_of_bobs_job() -> Result<()> {
    with_namespace(|ns| async move {
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let uid = job.uid().context("no uid")?;
        for person in [ns.mallory().await?, person_with_cluster_rights(&ns).await?] {
            let own = person.create::<Pod>(pod()).await?;
            for key in [
                "batch.kubernetes.io/controller-uid",
                "controller-uid",
                "batch.kubernetes.io/job-name",
                "job-name",
                "jobset.sigs.k8s.io/jobset-name",
                "workflows.argoproj.io/workflow",
            ] {
                let edit = json!({"metadata": {"labels": {key: uid}}});
                refused(person.patch::<Pod>(&own.name_any(), edit).await)?
                    .with_code(403)?
                    .with_message(key)?
                    .with_message(&person.name)?;
            }
            for key in [
                "workflows.argoproj.io/node-id",
                "workflows.argoproj.io/node-name",
                "jobset.sigs.k8s.io/job-index",
            ] {
                let edit = json!({"metadata": {"annotations": {key: "bobs-flow-123"}}});
                refused(person.patch::<Pod>(&own.name_any(), edit).await)?
                    .with_code(403)?
                    .with_message(key)?;
            }
            for (kind, version) in [
                ("Job", "batch/v1"),
                ("JobSet", "jobset.x-k8s.io/v1alpha2"),
                ("Workflow", "argoproj.io/v1alpha1"),
            ] {
                let edit = owner(kind, version, &job.name_any(), &uid);
                refused(person.patch::<Pod>(&own.name_any(), edit).await)?
                    .with_code(403)?
                    .with_message(kind)?;
            }
        }
        Ok(())
    })
}

#[test]
fn the_completion_index_of_bobs_pod_stays_as_its_controller_wrote_it() -> Result<()> {
    with_namespace(|ns| async move {
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?.name_any();
        let index = "batch.kubernetes.io/job-completion-index";
        for of in ["labels", "annotations"] {
            let edit = json!({"metadata": {of: {index: "7"}}});
            refused(ns.mallory().await?.patch::<Pod>(&pod, edit).await)?
                .with_code(403)?
                .with_message(index)?;
        }
        Ok(())
    })
}

#[test]
fn a_job_cannot_be_made_a_child_of_anothers_job_set_or_workflow() -> Result<()> {
    with_namespace(|ns| async move {
        let mallory = ns.mallory().await?;
        let own = mallory.create::<Job>(metaflow_job()).await?;
        let label = json!({"metadata": {"labels": {"jobset.sigs.k8s.io/jobset-name": "bobs"}}});
        refused(mallory.patch::<Job>(&own.name_any(), label).await)?.with_code(403)?;
        let edit = owner(
            "JobSet",
            "jobset.x-k8s.io/v1alpha2",
            "bobs",
            "5b6a4a1e-0000-4000-8000-000000000000",
        );
        refused(mallory.patch::<Job>(&own.name_any(), edit).await)?.with_code(403)?;
        let other = json!({"metadata": {"labels": {"team": "ml"}}});
        mallory.patch::<Job>(&own.name_any(), other).await?;
        Ok(())
    })
}

#[test]
fn an_argo_object_or_job_set_cannot_be_made_a_child_of_anothers() -> Result<()> {
    with_namespace(|ns| async move {
        let mallory = ns.mallory().await?;
        let uid = "5b6a4a1e-0000-4000-8000-000000000000";
        let cron = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": "hers"},
            "spec": {"schedules": ["0 0 * * *"], "workflowSpec": replayed_argo::template()["spec"]}});
        for object in [replayed_argo::template(), replayed_argo::inline(), cron] {
            let own = replayed_argo::create(&mallory, &object).await?;
            let (kind, name) = (object["kind"].as_str().unwrap_or_default(), own.name_any());
            let label =
                json!({"metadata": {"labels": {"workflows.argoproj.io/cron-workflow": "bobs"}}});
            refused(replayed_argo::patch(&mallory, kind, &name, label).await)?
                .with_code(403)?
                .with_message("cron-workflow")?;
            for of in ["Workflow", "CronWorkflow"] {
                let edit = owner(of, "argoproj.io/v1alpha1", "bobs", uid);
                refused(replayed_argo::patch(&mallory, kind, &name, edit).await)?
                    .with_code(403)?
                    .with_message(of)?;
            }
        }
        let cron = json!({"metadata": {"name": "hers"}, "spec": {"schedule": "0 0 1 1 *",
            "jobTemplate": {"spec": metaflow_job().into_value()["spec"]}}});
        mallory
            .create::<CronJob>(serde_json::from_value::<CronJob>(cron)?)
            .await?;
        let edit = owner("Workflow", "argoproj.io/v1alpha1", "bobs", uid);
        refused(mallory.patch::<CronJob>("hers", edit).await)?.with_code(403)?;
        let job = json!({"name": "w", "replicas": 1, "template": {"spec": metaflow_job().into_value()["spec"]}});
        let job_set = json!({"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": "hers"},
            "spec": {"replicatedJobs": [job]}});
        let gvk = GroupVersionKind::gvk("jobset.x-k8s.io", "v1alpha2", "JobSet");
        let job_sets = mallory.objects(&ApiResource::from_gvk(&gvk));
        let params = PostParams::default();
        job_sets
            .create(&params, &serde_json::from_value(job_set)?)
            .await?;
        for (edit, says) in [
            (
                owner("Workflow", "argoproj.io/v1alpha1", "bobs", uid),
                "Workflow",
            ),
            (
                json!({"metadata": {"labels": {"workflows.argoproj.io/workflow": "bobs"}}}),
                "workflows.argoproj.io/workflow",
            ),
        ] {
            let patch = Patch::Merge(edit);
            refused(
                job_sets
                    .patch("hers", &PatchParams::default(), &patch)
                    .await,
            )?
            .with_code(403)?
            .with_message(says)?;
        }
        Ok(())
    })
}

#[test]
fn the_job_controller_adopts_a_pod_again_that_lost_its_owner_reference() -> Result<()> {
    // The job controller adopts on its own, and an admin may adopt.
    with_namespace(|ns| async move {
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let made = ns.pod_of(&job).await?;
        ns.runs_as(&made, BOB).await?;
        let orphaned = json!({"metadata": {"ownerReferences": null}});
        let mallory = ns.mallory().await?;
        mallory.patch::<Pod>(&made.name_any(), orphaned).await?;
        eventually("the job controller adopts its pod again", async || {
            let pod: Pod = ns.admin().await?.all().get(&made.name_any()).await?;
            let owners = pod.metadata.owner_references.unwrap_or_default();
            anyhow::ensure!(
                owners.iter().any(|o| Some(&o.uid) == job.uid().as_ref()),
                "{owners:?}"
            );
            Ok(())
        })
        .await
    })
}

//! Stamps are valid in one epoch of their namespace, on the object they were signed for, even if somebody copies them.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    batch::v1::{CronJob, Job},
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use namesake_api::names::{
    EPOCH_ANNOTATION, MODE_LABEL, OPT_IN_LABEL, RESOLUTION_ANNOTATION, STAMP_ANNOTATION,
};
use namesake_tests::{
    cluster::{
        person::{Namespaced, Person},
        refusal::refused,
    },
    drafts::{Draft, metaflow_job, pod},
    eventually::eventually,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::{Value, json};

use super::before_opt_in::check_gets_no_pod;
use crate::abuse::guards::person_with_cluster_rights;

async fn set_mode(ns: &TestNamespace, mode: Option<&str>) -> Result<Namespace> {
    let all: Api<Namespace> = Api::all(ns.admin().await?.client().clone());
    let patch = Patch::Merge(json!({"metadata": {"labels": {MODE_LABEL: mode}}}));
    Ok(all.patch(&ns.name, &PatchParams::default(), &patch).await?)
}

/// The stamp of bob's Job of this name, which is deleted afterwards.
async fn stamp_of_bobs(ns: &TestNamespace, name: &str) -> Result<String> {
    let bob = ns.bob().await?;
    let job: Job = bob.create(metaflow_job().named(name).suspended()).await?;
    let stamp = job.annotations().get(STAMP_ANNOTATION).cloned();
    bob.delete::<Job>(name).await?;
    eventually("bob's Job is gone", async || {
        ensure!(bob.all::<Job>().get_opt(name).await?.is_none());
        Ok(())
    })
    .await?;
    stamp.context("bob's Job has no stamp")
}

/// Mallory's Job of the same name and image, which runs her own file before bob's command.
fn job_with_stamp(name: &str, stamp: &str) -> Draft {
    let mut job = metaflow_job().into_value();
    let container = &mut job["spec"]["template"]["spec"]["containers"][0];
    let variables = container["env"].as_array_mut();
    variables
        .into_iter()
        .for_each(|all| all.push(json!({"name": "BASH_ENV", "value": "/mallory/first"})));
    let containers = job["spec"]["template"]["spec"]["containers"].take();
    metaflow_job()
        .named(name)
        .suspended()
        .annotated(STAMP_ANNOTATION, stamp)
        .pod_field("containers", containers)
}

#[test]
fn bobs_stamp_on_mallorys_job_of_the_same_name_is_void_after_admission_was_briefly_off()
-> Result<()> {
    with_namespace(|ns| async move {
        let stamp = stamp_of_bobs(&ns, "train").await?;
        set_mode(&ns, Some("off")).await?;
        let mallory = ns.mallory().await?;
        eventually("nobody overwrites the valid stamp", async || {
            let job: Job = mallory.create(job_with_stamp("train", &stamp)).await?;
            if job.annotations().get(STAMP_ANNOTATION) == Some(&stamp) {
                return Ok(());
            }
            mallory.delete::<Job>("train").await?;
            anyhow::bail!("admission is still on")
        })
        .await?;
        set_mode(&ns, None).await?;
        let resume = json!({"spec": {"suspend": false}});
        let admin = ns.admin().await?;
        eventually("the Job may go on", async || {
            Ok(admin.patch::<Job>("train", resume.clone()).await?)
        })
        .await?;
        check_gets_no_pod(&ns, "train", "before the namespace was last opted in").await
    })
}

async fn copy_stamp<K: Namespaced>(person: &Person, name: &str, stamp: &str) -> kube::Result<K>
where
    <K as Resource>::DynamicType: Default,
{
    let patch = Patch::Merge(json!({"metadata": {"annotations": {STAMP_ANNOTATION: stamp}}}));
    let all = person.all::<K>();
    all.patch_status(name, &PatchParams::default(), &patch)
        .await
}

#[test]
fn a_stamp_does_not_move_through_the_status_of_a_job_or_cron_job() -> Result<()> {
    with_namespace(|ns| async move {
        let stamp = stamp_of_bobs(&ns, "train").await?;
        let mallory = ns.mallory().await?;
        let job: Job = mallory
            .create(metaflow_job().named("train").suspended())
            .await?;
        let template = json!({"spec": job.spec.as_ref().map(|spec| &spec.template)
            .and_then(|template| template.spec.as_ref()).map(|spec| json!({"template": {"spec": spec}}))});
        let cron: CronJob = serde_json::from_value(json!({"metadata": {"name": "nightly"},
            "spec": {"schedule": "0 0 1 1 *", "jobTemplate": template}}))?;
        mallory.create::<CronJob>(cron).await?;
        // With rights in the whole cluster, so that no other policy refuses it.
        let anybody = person_with_cluster_rights(&ns).await?;
        refused(copy_stamp::<Job>(&anybody, "train", &stamp).await)?
            .with_code(403)?
            .with_message("through status")?;
        refused(copy_stamp::<CronJob>(&anybody, "nightly", &stamp).await)?
            .with_code(403)?
            .with_message("namesake.dev/")?;
        // Other keys can be written by anyone with the right to write the status.
        let label = Patch::Merge(json!({"metadata": {"labels": {"team": "m"}}}));
        let jobs = anybody.all::<Job>();
        jobs.patch_status("train", &PatchParams::default(), &label)
            .await?;
        Ok(())
    })
}

async fn as_admin<K: Namespaced>(ns: &TestNamespace, object: Value) -> Result<kube::Result<K>> {
    let all = ns.admin().await?.all::<K>();
    let object = serde_json::from_value(object)?;
    Ok(all.create(&PostParams::default(), &object).await)
}

/// Only the policy: our webhooks do not handle a namespace of another stack.
#[test]
fn the_api_server_refuses_what_a_replica_signed_in_another_epoch() -> Result<()> {
    with_namespace(|ns| async move {
        let there = ns.neighbour().await?;
        let epoch = "the-epoch-of-another-stack";
        let all: Api<Namespace> = Api::all(ns.admin().await?.client().clone());
        let opted_in = json!({"metadata": {"labels": {OPT_IN_LABEL: "another",
            "pod-security.kubernetes.io/enforce": "baseline"}, "annotations": {EPOCH_ANNOTATION: epoch}}});
        all.patch(
            &there.name,
            &PatchParams::default(),
            &Patch::Merge(opted_in),
        )
        .await?;
        let signed = |draft: Draft, key: &str, epoch: &str| {
            draft
                .annotated(key, &format!("v2.k1.{epoch}.e30.AAAA"))
                .into_value()
        };
        let another = "an-epoch-from-before";
        eventually("the policy sees the label", async || {
            let object = signed(pod(), RESOLUTION_ANNOTATION, another);
            refused(as_admin::<Pod>(&there, object).await?)?
                .with_message("has just been opted in")?;
            Ok(())
        })
        .await?;
        let object = signed(metaflow_job().suspended(), STAMP_ANNOTATION, another);
        refused(as_admin::<Job>(&there, object).await?)?
            .with_code(403)?
            .with_message("has just been opted in")?;
        as_admin::<Pod>(&there, signed(pod(), RESOLUTION_ANNOTATION, epoch)).await??;
        let object = signed(metaflow_job().suspended(), STAMP_ANNOTATION, epoch);
        as_admin::<Job>(&there, object).await??;
        there.delete().await
    })
}

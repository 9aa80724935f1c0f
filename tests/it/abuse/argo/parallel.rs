//! `@parallel` on Argo, from the resource step through the `JobSet` to its pods: all of them run as the deployer.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    ResourceExt,
    api::{DynamicObject, PostParams},
};
use namesake_sandbox::kubernetes::users::{ALICE, MALLORY};
use namesake_tests::{
    cluster::refusal::refused,
    controllers::{
        jobset::{self, job_of, job_sets},
        replayed_argo::{RESOURCE_STEP, owner, pod},
    },
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{account_of, with_own_stack},
    stack::{Options, SHARED_RULES},
};
use serde_json::{Value, json};

use super::{Deployed, deployed};

/// The rules as in docs/rules.md for Argo: the class has role bindings for what Argo's steps need.
fn rules() -> Options {
    let bindings =
        "mode: impersonate\n    roleBindings: [namesake-argo-task, namesake-argo-parallel]";
    Options {
        rules: SHARED_RULES.replacen("mode: impersonate", bindings, 1),
        ..Options::default()
    }
}

/// The manifest in the resource step, with Argo's additions.
fn job_set(name: &str, workflow: &DynamicObject) -> Result<DynamicObject> {
    let mut template = metaflow_job().into_value()["spec"]["template"].take();
    template["metadata"]["labels"]["workflows.argoproj.io/workflow"] = json!(workflow.name_any());
    let metadata = json!({"name": name, "ownerReferences": [owner(workflow, "Workflow")]});
    jobset::job_set(&metadata, &template)
}

/// Argo's pod for a `resource` template; it names no service account.
fn resource_pod(workflow: &DynamicObject) -> Value {
    pod(workflow, RESOURCE_STEP)
}

impl Deployed {
    /// The resource pod creates the JobSet with its own token, after the broker has created the role bindings of the class.
    async fn create_job_set(&self, workflow: &DynamicObject) -> Result<(Pod, DynamicObject)> {
        let resource = self.argo.create_pod(resource_pod(workflow)).await?;
        let task = self.ns.as_pod(&resource).await?;
        let wanted = job_set("train", workflow)?;
        let made = eventually("the resource pod's account may make JobSets", async || {
            Ok(job_sets(&task)
                .create(&PostParams::default(), &wanted)
                .await?)
        })
        .await?;
        Ok((resource, made))
    }
}

#[test]
fn a_parallel_step_runs_as_the_deployer_from_its_resource_pod_to_its_workers() -> Result<()> {
    with_own_stack(rules(), |ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let (resource, made) = d.create_job_set(&workflow).await?;
        d.ns.runs_as(&resource, ALICE).await?;
        let controller = jobset::controller(&d.ns).await?;
        for of in 0..2 {
            let made = controller.create::<Job>(job_of(&made, of)?).await?;
            let pod = d.ns.pod_of(&made).await?;
            d.ns.runs_as(&pod, ALICE).await?;
            ensure!(account_of(&pod) == account_of(&resource), "another account");
        }
        let strangers = d.ns.pods().await?;
        let theirs = strangers
            .iter()
            .filter(|pod| account_of(pod) != account_of(&resource));
        ensure!(theirs.count() == 0, "somebody else runs here");
        Ok(())
    })
}

#[test]
fn every_object_of_a_parallel_step_that_mallory_creates_is_refused_or_runs_as_mallory() -> Result<()>
{
    with_own_stack(rules(), |ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let (hers, post) = (job_sets(&d.mallory), PostParams::default());
        let planted: Pod = serde_json::from_value(resource_pod(&workflow))?;
        refused(d.mallory.create::<Pod>(planted).await)?
            .with_code(403)?
            .with_message(MALLORY)?;
        let (resource, made) = d.create_job_set(&workflow).await?;
        // A JobSet that names alice's Workflow as its owner, and a Job that names her JobSet.
        let theirs = job_set("planted", &workflow)?;
        refused(hers.create(&post, &theirs).await)?
            .with_code(403)?
            .with_message(MALLORY)?;
        refused(d.mallory.create::<Job>(job_of(&made, 0)?).await)?
            .with_code(403)?
            .with_message(MALLORY)?;
        // Mallory's own JobSet, with the label of alice's Workflow.
        let mut labelled = theirs.clone();
        labelled.metadata.owner_references = None;
        refused(hers.create(&post, &labelled).await)?
            .with_code(403)?
            .with_message("workflows.argoproj.io/workflow")?;
        // The account of alice's pod, without its pod.
        let account = account_of(&resource);
        let minted =
            d.ns.stack
                .cluster()
                .service_account(&d.ns.name, account, &d.ns.name)
                .await?;
        refused(job_sets(&minted).create(&post, &theirs).await)?
            .with_code(403)?
            .with_message("token")?;
        // Without a reference to alice, it runs as mallory, whatever service account its templates name.
        let mut own = theirs.clone();
        own.metadata.owner_references = None;
        for replicated in own.data["spec"]["replicatedJobs"]
            .as_array_mut()
            .context("no list")?
        {
            let template = &mut replicated["template"]["spec"]["template"];
            template["spec"]["serviceAccountName"] = json!(account);
            template["metadata"]["labels"]
                .as_object_mut()
                .map(|labels| labels.remove("workflows.argoproj.io/workflow"));
        }
        let own = hers.create(&post, &own).await?;
        let controller = jobset::controller(&d.ns).await?;
        let made = controller.create::<Job>(job_of(&own, 1)?).await?;
        d.ns.runs_as(&d.ns.pod_of(&made).await?, MALLORY).await?;
        Ok(())
    })
}

//! `JobSets` of Metaflow's `@parallel`. The tests replay their controller's requests, with its account.

use anyhow::{Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use namesake_sandbox::kubernetes::users::{ALICE, MALLORY};
use namesake_tests::{
    cluster::{person::Person, refusal::refused},
    controllers::jobset::{self, controller, job_of, job_sets},
    drafts::{metaflow_job, metaflow_pod},
    namespace::with_namespace,
};
use serde_json::{Value, json};

use super::{template_of, with_other_command};

/// The JobSet of one step, with control and worker, as Metaflow writes it.
fn job_set(template: &Value) -> Result<DynamicObject> {
    jobset::job_set(&json!({"name": "js"}), template)
}

async fn create(who: &Person, object: &DynamicObject) -> kube::Result<DynamicObject> {
    job_sets(who).create(&PostParams::default(), object).await
}

#[test]
fn the_pods_of_a_job_set_run_as_its_creator() -> Result<()> {
    with_namespace(|ns| async move {
        let template = template_of(metaflow_job());
        let made = create(&ns.alice().await?, &job_set(&template)?).await?;
        let controller = controller(&ns).await?;
        for of in 0..2 {
            let job = controller.create::<Job>(job_of(&made, of)?).await?;
            ns.runs_as(&ns.pod_of(&job).await?, ALICE).await?;
        }
        // None of the templates in alice's JobSet.
        let mut other = job_set(&with_other_command(&template))?;
        other.metadata = made.metadata;
        let other = job_of(&other, 0)?;
        refused(controller.create::<Job>(other).await)?
            .with_code(503)?
            .with_message(ALICE)?;
        Ok(())
    })
}

#[test]
fn nobody_else_creates_a_job_or_a_pod_of_a_job_set() -> Result<()> {
    with_namespace(|ns| async move {
        let (alice, mallory) = (ns.alice().await?, ns.mallory().await?);
        let template = template_of(metaflow_job());
        let made = create(&alice, &job_set(&template)?).await?;
        let named = job_of(&made, 0)?;
        refused(mallory.create::<Job>(named).await)?
            .with_code(403)?
            .with_message("JobSet")?
            .with_message(MALLORY)?;
        for key in [
            "jobset.sigs.k8s.io/jobset-name",
            "jobset.sigs.k8s.io/jobset-uid",
        ] {
            let labelled = metaflow_pod().labelled(key, "js");
            refused(mallory.create::<Pod>(labelled).await)?
                .with_code(403)?
                .with_message(key)?;
            // Also in the template of her own Job.
            let labelled = metaflow_job().labelled(key, "js");
            refused(mallory.create::<Job>(labelled).await)?
                .with_code(403)?
                .with_message(key)?;
        }
        Ok(())
    })
}

#[test]
fn only_its_user_changes_a_suspended_job_set_and_only_its_controller_its_jobs() -> Result<()> {
    with_namespace(|ns| async move {
        let (alice, mallory) = (ns.alice().await?, ns.mallory().await?);
        let template = template_of(metaflow_job());
        let mut draft = job_set(&template)?;
        draft.data["spec"]["suspend"] = json!(true);
        let made = create(&alice, &draft).await?;
        let patch = |change: Value| Patch::Merge(change);
        let (params, mallorys) = (PatchParams::default(), job_sets(&mallory));
        for change in [
            json!({"spec": {"suspend": false}}),
            json!({"spec": {"replicatedJobs": [{"name": "mine"}]}}),
        ] {
            refused(mallorys.patch("js", &params, &patch(change)).await)?
                .with_code(403)?
                .with_message(ALICE)?;
        }
        let stop = patch(json!({"spec": {"suspend": true}}));
        mallorys.patch("js", &params, &stop).await?;
        let controller = controller(&ns).await?;
        let job = controller.create::<Job>(job_of(&made, 0)?).await?;
        let inject =
            json!({"spec": {"template": {"metadata": {"annotations": {"inject": "sidecar"}}}}});
        refused(mallory.patch::<Job>(&job.name_any(), inject.clone()).await)?.with_code(403)?;
        // Like the controller when it resumes.
        let resume = json!({"spec": {"suspend": false, "template": {"spec": {"nodeSelector": {"pool": "ml"}}}}});
        controller.patch::<Job>(&job.name_any(), resume).await?;
        let pod = ns.pod_of(&job).await?;
        ns.runs_as(&pod, ALICE).await?;
        ensure!(!pod.annotations().contains_key("inject"));
        Ok(())
    })
}

//! `JobSets`, as Metaflow's `@parallel` makes them: proven by replaying what their controller did, with its own account.

use anyhow::{Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use namesake_sandbox::users::{ALICE, MALLORY};
use namesake_tests::{
    drafts::{metaflow_job, metaflow_pod},
    namespace::{TestNamespace, with_namespace},
    person::Person,
    refused::refused,
};
use serde_json::{Value, json};

use super::{Parent, dynamic, evil, job_of, template_of};

const VERSION: &str = "jobset.x-k8s.io/v1alpha2";

fn job_sets(ns: &TestNamespace, who: &Person) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("jobset.x-k8s.io", "v1alpha2", "JobSet");
    let resource = ApiResource::from_gvk(&gvk);
    Api::namespaced_with(who.client().clone(), &ns.name, &resource)
}

/// Control and worker of one step, as Metaflow writes them.
fn job_set(template: &Value) -> Result<DynamicObject> {
    let job = |name: &str| json!({"name": name, "replicas": 1, "template": {"spec": {"backoffLimit": 0, "template": template}}});
    dynamic(
        json!({"apiVersion": VERSION, "kind": "JobSet", "metadata": {"name": "js"},
        "spec": {"replicatedJobs": [job("control"), job("worker")]}}),
    )
}

async fn creates(
    ns: &TestNamespace,
    who: &Person,
    object: &DynamicObject,
) -> kube::Result<DynamicObject> {
    let params = PostParams::default();
    job_sets(ns, who).create(&params, object).await
}

async fn controller(ns: &TestNamespace) -> Result<Person> {
    let cluster = ns.stack.cluster();
    cluster
        .service_account("jobset-system", "jobset-controller-manager", &ns.name)
        .await
}

/// A Job as the controller makes it: with what it adds.
fn child(parent: &Parent, template: &Value) -> Result<Job> {
    let mut template = template.clone();
    for of in ["labels", "annotations"] {
        template["metadata"][of]["jobset.sigs.k8s.io/jobset-name"] = json!(parent.name);
        template["metadata"][of]["jobset.sigs.k8s.io/job-index"] = json!("0");
    }
    template["spec"]["subdomain"] = json!(parent.name);
    let mut job = job_of(parent, &template)?;
    let labels = job.labels_mut();
    labels.insert(
        "jobset.sigs.k8s.io/jobset-name".to_owned(),
        parent.name.clone(),
    );
    Ok(job)
}

#[test]
fn its_pods_run_as_who_made_it() -> Result<()> {
    with_namespace(|ns| async move {
        let template = template_of(metaflow_job());
        let made = creates(&ns, &ns.alice().await?, &job_set(&template)?).await?;
        let parent = Parent::of(VERSION, "JobSet", &made)?;
        let controller = controller(&ns).await?;
        for _ in ["control", "worker"] {
            let job = controller
                .creates::<Job>(child(&parent, &template)?)
                .await?;
            ns.runs_as(&ns.pod_of(&job).await?, ALICE).await?;
        }
        // Not one of the templates that alice asked for.
        let other = child(&parent, &evil(&template))?;
        refused(controller.creates::<Job>(other).await)?
            .with(503)?
            .saying(ALICE)?;
        Ok(())
    })
}

#[test]
fn nobody_else_makes_a_job_or_a_pod_of_it() -> Result<()> {
    with_namespace(|ns| async move {
        let (alice, mallory) = (ns.alice().await?, ns.mallory().await?);
        let template = template_of(metaflow_job());
        let made = creates(&ns, &alice, &job_set(&template)?).await?;
        let parent = Parent::of(VERSION, "JobSet", &made)?;
        let named = job_of(&parent, &template)?;
        refused(mallory.creates::<Job>(named).await)?
            .with(403)?
            .saying("JobSet")?
            .saying(MALLORY)?;
        for key in [
            "jobset.sigs.k8s.io/jobset-name",
            "jobset.sigs.k8s.io/jobset-uid",
        ] {
            let labelled = metaflow_pod().labelled(key, "js");
            refused(mallory.creates::<Pod>(labelled).await)?
                .with(403)?
                .saying(key)?;
            // In the template of a Job of her own, too.
            let labelled = metaflow_job().labelled(key, "js");
            refused(mallory.creates::<Job>(labelled).await)?
                .with(403)?
                .saying(key)?;
        }
        Ok(())
    })
}

#[test]
fn suspended_it_is_changed_by_its_user_only_and_its_jobs_by_its_controller() -> Result<()> {
    with_namespace(|ns| async move {
        let (alice, mallory) = (ns.alice().await?, ns.mallory().await?);
        let template = template_of(metaflow_job());
        let mut draft = job_set(&template)?;
        draft.data["spec"]["suspend"] = json!(true);
        let made = creates(&ns, &alice, &draft).await?;
        let parent = Parent::of(VERSION, "JobSet", &made)?;
        let patch = |change: Value| Patch::Merge(change);
        let (params, mallorys) = (PatchParams::default(), job_sets(&ns, &mallory));
        for change in [
            json!({"spec": {"suspend": false}}),
            json!({"spec": {"replicatedJobs": [{"name": "mine"}]}}),
        ] {
            refused(mallorys.patch("js", &params, &patch(change)).await)?
                .with(403)?
                .saying(ALICE)?;
        }
        let stop = patch(json!({"spec": {"suspend": true}}));
        mallorys.patch("js", &params, &stop).await?;
        let controller = controller(&ns).await?;
        let mut job = child(&parent, &template)?;
        job.spec.get_or_insert_default().suspend = Some(true);
        let job = controller.creates::<Job>(job).await?;
        let inject =
            json!({"spec": {"template": {"metadata": {"annotations": {"inject": "sidecar"}}}}});
        refused(
            mallory
                .patches::<Job>(&job.name_any(), inject.clone())
                .await,
        )?
        .with(403)?;
        // As the controller does when it resumes.
        let resume = json!({"spec": {"suspend": false, "template": {"spec": {"nodeSelector": {"pool": "ml"}}}}});
        controller.patches::<Job>(&job.name_any(), resume).await?;
        let pod = ns.pod_of(&job).await?;
        ns.runs_as(&pod, ALICE).await?;
        ensure!(!pod.annotations().contains_key("inject"));
        Ok(())
    })
}

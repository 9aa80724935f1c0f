//! Adoption by the controllers of Kubernetes, which take pods without a controller that match their selector. A pod can be adopted
//! only by an object of its own user.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{apps::v1::ReplicaSet, batch::v1::Job, core::v1::Pod};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PropagationPolicy},
};
use namesake_sandbox::kubernetes::users::{BOB, MALLORY};
use namesake_tests::{
    cluster::{person::Person, refusal::refused},
    controllers::jobset::{job_of, job_set, job_sets},
    drafts::{Draft, metaflow_job, metaflow_pod},
    eventually::eventually,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::{Value, json};

/// The label in the selectors of Jobs with a manual selector.
const GROUP: &str = "acme.com/group";

/// A Job that selects its pods by a label of its author's choice.
fn selecting(draft: Draft, key: &str, value: &str) -> Result<Job> {
    let mut job = draft.into_value();
    job["spec"]["manualSelector"] = json!(true);
    job["spec"]["selector"] = json!({"matchLabels": {key: value}});
    job["spec"]["template"]["metadata"]["labels"][key] = json!(value);
    Ok(serde_json::from_value(job)?)
}

async fn delete_and_orphan(person: &Person, job: &str) -> Result<()> {
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    person.all::<Job>().delete(job, &params).await?;
    Ok(())
}

async fn owners_of(ns: &TestNamespace, pod: &str) -> Result<Vec<String>> {
    let pod: Pod = ns.admin().await?.all().get(pod).await?;
    Ok(pod
        .owner_references()
        .iter()
        .map(|owner| owner.uid.clone())
        .collect())
}

async fn is_orphan(ns: &TestNamespace, pod: &str) -> Result<()> {
    eventually(&format!("{pod} has no owner"), async || {
        let owners = owners_of(ns, pod).await?;
        ensure!(owners.is_empty(), "{owners:?}");
        Ok(())
    })
    .await
}

/// Adopts a pod like the job controller.
async fn adopt(controller: &Person, pod: &str, job: &Job) -> kube::Result<Pod> {
    let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": job.name_any(), "uid": job.uid(),
        "controller": true, "blockOwnerDeletion": true});
    let patch = json!({"metadata": {"ownerReferences": [owner], "finalizers": ["batch.kubernetes.io/job-tracking"]}});
    let pods = controller.all::<Pod>();
    pods.patch(pod, &PatchParams::default(), &Patch::Strategic(patch))
        .await
}

/// The pod that the job controller created after it had looked for pods to adopt.
async fn own_pod(ns: &TestNamespace, job: &Job) -> Result<Pod> {
    let uid = job.uid().context("no uid")?;
    eventually("the Job has a pod of its own", async || {
        let pods = ns.pods().await?;
        let is_its = |pod: &Pod| pod.owner_references().iter().any(|owner| owner.uid == uid);
        let owned: Vec<_> = pods.into_iter().filter(is_its).collect();
        ensure!(owned.len() == 1, "{} pods", owned.len());
        owned.into_iter().next().context("none")
    })
    .await
}

#[test]
fn a_job_that_selects_pods_by_the_labels_of_bobs_job_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let bobs = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let (uid, name) = (bobs.uid().context("no uid")?, bobs.name_any());
        let mallory = ns.mallory().await?;
        for (key, value) in [
            ("controller-uid", &uid),
            ("batch.kubernetes.io/controller-uid", &uid),
            ("job-name", &name),
            ("batch.kubernetes.io/job-name", &name),
        ] {
            refused(
                mallory
                    .create::<Job>(selecting(metaflow_job(), key, value)?)
                    .await,
            )?
            .with_code(403)?
            .with_message(key)?
            .with_message(MALLORY)?;
            // Only in the template, so the selector need not contain it.
            let mut job = serde_json::to_value(selecting(metaflow_job(), GROUP, "hers")?)?;
            job["spec"]["template"]["metadata"]["labels"][key] = json!(value);
            refused(
                mallory
                    .create::<Job>(serde_json::from_value::<Job>(job)?)
                    .await,
            )?
            .with_code(403)?
            .with_message(key)?;
        }
        mallory
            .create::<Job>(selecting(metaflow_job(), GROUP, "hers")?)
            .await?;
        Ok(())
    })
}

#[test]
fn the_template_of_a_suspended_job_cannot_get_the_labels_of_bobs_job() -> Result<()> {
    with_namespace(|ns| async move {
        let bobs = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let mallory = ns.mallory().await?;
        let own = mallory.create::<Job>(metaflow_job().suspended()).await?;
        let group = selecting(metaflow_job().suspended(), GROUP, "hers")?;
        let group = mallory.create::<Job>(group).await?;
        for (key, value) in [
            ("controller-uid", bobs.uid().context("no uid")?),
            ("batch.kubernetes.io/job-name", bobs.name_any()),
        ] {
            for job in [&own, &group] {
                let edit = json!({"spec": {"template": {"metadata": {"labels": {key: value}}}}});
                refused(mallory.patch::<Job>(&job.name_any(), edit).await)?
                    .with_code(403)?
                    .with_message(key)?;
            }
        }
        mallory
            .patch::<Job>(&own.name_any(), json!({"spec": {"suspend": false}}))
            .await?;
        ns.runs_as(&ns.pod_of(&own).await?, MALLORY).await?;
        Ok(())
    })
}

#[test]
fn the_labels_of_the_pod_of_a_job_name_that_job_whoever_creates_it() -> Result<()> {
    // The job controller follows the template, even if it was not checked because admission was off.
    with_namespace(|ns| async move {
        let bobs = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let own = ns
            .mallory()
            .await?
            .create::<Job>(metaflow_job().suspended())
            .await?;
        let controller = ns.controller("job-controller").await?;
        let made = |key: &str, value: &str| {
            let uid = own.uid().unwrap_or_default();
            metaflow_pod()
                .labelled(key, value)
                .owned_by("batch/v1", "Job", &own.name_any(), &uid)
        };
        let bobs_uid = bobs.uid().context("no uid")?;
        for (key, value) in [
            ("controller-uid", bobs_uid.as_str()),
            ("batch.kubernetes.io/controller-uid", &bobs_uid),
            ("job-name", &bobs.name_any()),
            ("batch.kubernetes.io/job-name", &bobs.name_any()),
        ] {
            refused(controller.create::<Pod>(made(key, value)).await)?
                .with_code(403)?
                .with_message(key)?;
        }
        let uid = own.uid().context("no uid")?;
        let pod = controller
            .create::<Pod>(made("controller-uid", &uid))
            .await?;
        ns.runs_as(&pod, MALLORY).await?;
        Ok(())
    })
}

#[test]
fn a_job_with_its_own_selector_adopts_only_pods_of_its_user() -> Result<()> {
    with_namespace(|ns| async move {
        let (bob, mallory) = (ns.bob().await?, ns.mallory().await?);
        let hers = metaflow_pod().labelled(GROUP, "bobs");
        let hers = mallory.create::<Pod>(hers).await?.name_any();
        let job = selecting(metaflow_job(), GROUP, "bobs")?;
        let job = bob.create::<Job>(job).await?;
        let made = own_pod(&ns, &job).await?;
        ns.runs_as(&made, BOB).await?;
        // The controller ignores "not found" and continues; any other refusal would block bob's Job.
        let controller = ns.controller("job-controller").await?;
        refused(adopt(&controller, &hers, &job).await)?
            .with_code(404)?
            .with_message(BOB)?
            .with_message(MALLORY)?;
        is_orphan(&ns, &hers).await?;
        // It also adopt bob's own pods that have lost their Job.
        delete_and_orphan(&mallory, &job.name_any()).await?;
        let name = made.name_any();
        eventually("his Job is gone and has left its pod", async || {
            ensure!(
                bob.all::<Job>().get_opt(&job.name_any()).await?.is_none(),
                "it is there"
            );
            Ok(())
        })
        .await?;
        is_orphan(&ns, &name).await?;
        let next = bob
            .create::<Job>(selecting(metaflow_job(), GROUP, "bobs")?)
            .await?;
        let adopted = own_pod(&ns, &next).await?.name_any();
        ensure!(adopted == name, "{adopted} instead of {name}");
        is_orphan(&ns, &hers).await
    })
}

#[test]
fn bobs_orphaned_pod_is_not_adopted_by_anothers_job_or_replica_set() -> Result<()> {
    with_namespace(|ns| async move {
        let mallory = ns.mallory().await?;
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?.name_any();
        delete_and_orphan(&mallory, &job.name_any()).await?;
        is_orphan(&ns, &pod).await?;
        let task = "app.kubernetes.io/name";
        let hers = selecting(metaflow_job(), task, "metaflow-task")?;
        let hers = mallory.create::<Job>(hers).await?;
        let made = own_pod(&ns, &hers).await?;
        ns.runs_as(&made, MALLORY).await?;
        let set: ReplicaSet = serde_json::from_value(
            json!({"metadata": {"name": "hers"}, "spec": {"replicas": 1,
            "selector": {"matchLabels": {task: "metaflow-task"}},
            "template": {"metadata": {"labels": {task: "metaflow-task"}}, "spec": {"containers": [{"name": "x", "image": "y"}]}}}}),
        )?;
        let set = mallory.create::<ReplicaSet>(set).await?;
        eventually("the ReplicaSet has a pod of its own", async || {
            let mut pods = ns.pods().await?;
            let uid = set.uid();
            pods.retain(|pod| {
                pod.owner_references()
                    .iter()
                    .any(|o| Some(&o.uid) == uid.as_ref())
            });
            ensure!(pods.len() == 1, "{} pods", pods.len());
            ensure!(pods[0].name_any() != pod, "it has bob's");
            Ok(())
        })
        .await?;
        is_orphan(&ns, &pod).await
    })
}

fn owner(api_version: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!([{"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": true}])
}

#[test]
fn bobs_job_is_not_the_owner_of_anothers_pod_under_any_kind_and_group() -> Result<()> {
    with_namespace(|ns| async move {
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let (uid, name, mallory) = (
            job.uid().context("no uid")?,
            job.name_any(),
            ns.mallory().await?,
        );
        let own = mallory.create::<Pod>(metaflow_pod()).await?.name_any();
        for (version, kind) in [
            ("batch/v1", "Job"),
            ("batch/v9", "Job"),
            ("example.com/v1", "Job"),
            ("v1", "Job"),
            ("apps/v1", "ReplicaSet"),
        ] {
            let mut pod = metaflow_pod().into_value();
            pod["metadata"]["ownerReferences"] = owner(version, kind, &name, &uid);
            refused(
                mallory
                    .create::<Pod>(serde_json::from_value::<Pod>(pod.clone())?)
                    .await,
            )?
            .with_code(403)?
            .with_message(&name)?
            .with_message(MALLORY)?;
            // An owner that is not its controller yet.
            pod["metadata"]["ownerReferences"][0]["controller"] = json!(false);
            refused(
                mallory
                    .create::<Pod>(serde_json::from_value::<Pod>(pod)?)
                    .await,
            )?
            .with_code(403)?;
            let edit = json!({"metadata": {"ownerReferences": owner(version, kind, &name, &uid)}});
            refused(mallory.patch::<Pod>(&own, edit).await)?
                .with_code(403)?
                .with_message(&name)?;
        }
        Ok(())
    })
}

#[test]
fn the_name_and_uid_of_an_owner_must_belong_to_the_same_job_set() -> Result<()> {
    with_namespace(|ns| async move {
        let (bob, mallory) = (ns.bob().await?, ns.mallory().await?);
        let template = metaflow_job().into_value()["spec"]["template"].take();
        let set = async |person: &Person, name: &str| {
            let wish = job_set(&json!({"name": name}), &template)?;
            anyhow::Ok(job_sets(person).create(&Default::default(), &wish).await?)
        };
        let (_, hers) = (set(&bob, "bobs").await?, set(&mallory, "hers").await?);
        let mut job = serde_json::to_value(job_of(&hers, 0)?)?;
        job["metadata"]["labels"] = json!({});
        job["metadata"]["annotations"] = json!({});
        job["spec"] = metaflow_job().into_value()["spec"].take();
        job["metadata"]["ownerReferences"][0]["name"] = json!("bobs");
        refused(
            mallory
                .create::<Job>(serde_json::from_value::<Job>(job.clone())?)
                .await,
        )?
        .with_code(403)?
        .with_message("bobs")?
        .with_message(MALLORY)?;
        // Her own pods, by both.
        job["metadata"]["ownerReferences"][0]["name"] = json!("hers");
        mallory
            .create::<Job>(serde_json::from_value::<Job>(job)?)
            .await?;
        Ok(())
    })
}

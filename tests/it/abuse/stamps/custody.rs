//! Proven and claimed requesters: whatever people write into objects, a pod runs as the person who requested it.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{apps::v1::ReplicaSet, batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use namesake_api::names::{
    IDENTITY_LABEL, RESOLUTION_ANNOTATION, STAMP_ANNOTATION, USER_ANNOTATION,
};
use namesake_sandbox::kubernetes::users::{BOB, MALLORY};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{Draft, metaflow_job, metaflow_pod},
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_namespace},
};
use serde_json::{Value, json};

/// Bob's Job and its pod, to copy from.
async fn of_bob(ns: &TestNamespace) -> Result<(Job, Pod)> {
    let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    ns.runs_as(&pod, BOB).await?;
    Ok((job, pod))
}

fn annotation(object: &impl ResourceExt, key: &str) -> Result<String> {
    let found = object.annotations().get(key).cloned();
    found.with_context(|| format!("no annotation {key}: {:?}", object.annotations()))
}

/// Adds everything that Namesake writes on bob's pod, in a draft of somebody else.
fn pod_labelled_as(draft: Draft, job: &Job, pod: &Pod) -> Result<Draft> {
    Ok(draft
        .claiming_user(BOB)
        .annotated(STAMP_ANNOTATION, &annotation(job, STAMP_ANNOTATION)?)
        .annotated(
            RESOLUTION_ANNOTATION,
            &annotation(pod, RESOLUTION_ANNOTATION)?,
        )
        .annotated(USER_ANNOTATION, BOB)
        .labelled(IDENTITY_LABEL, account_of(pod))
        .running_as(account_of(pod)))
}

#[test]
fn a_spoofed_user_in_annotation_and_environment_changes_nothing() -> Result<()> {
    with_namespace(|ns| async move {
        let job = ns
            .mallory()
            .await?
            .create::<Job>(metaflow_job().claiming_user(BOB))
            .await?;
        let pod = ns.pod_of(&job).await?;
        ns.runs_as(&pod, MALLORY).await?;
        ensure!(annotation(&pod, USER_ANNOTATION)? == MALLORY);
        ensure!(
            annotation(&pod, "metaflow/user")? == BOB,
            "a claim is not ours to change"
        );
        Ok(())
    })
}

#[test]
fn a_forged_stamp_is_overwritten() -> Result<()> {
    with_namespace(|ns| async move {
        let forged = metaflow_job().annotated(
            STAMP_ANNOTATION,
            "v2.k1.e.eyJ1c2VyIjoiYm9iQGFjbWUuY29tIn0.AAAA",
        );
        let job = ns.mallory().await?.create::<Job>(forged.clone()).await?;
        let stamp = annotation(&job, STAMP_ANNOTATION)?;
        ensure!(
            Some(stamp.as_str())
                != forged.into_value()["metadata"]["annotations"][STAMP_ANNOTATION].as_str()
        );
        ns.runs_as(&ns.pod_of(&job).await?, MALLORY).await?;
        Ok(())
    })
}

#[test]
fn a_copied_stamp_is_void_even_under_the_same_generate_name() -> Result<()> {
    with_namespace(|ns| async move {
        let (bobs, pod) = of_bob(&ns).await?;
        let copy = pod_labelled_as(metaflow_job(), &bobs, &pod)?;
        let job = ns.mallory().await?.create::<Job>(copy).await?;
        ensure!(
            job.metadata.generate_name == bobs.metadata.generate_name,
            "the names differ"
        );
        ns.runs_as(&ns.pod_of(&job).await?, MALLORY).await?;
        Ok(())
    })
}

#[test]
fn a_changed_generate_name_does_not_void_bobs_stamp() -> Result<()> {
    with_namespace(|ns| async move {
        let bob = ns.bob().await?;
        let job = bob.create::<Job>(metaflow_job().suspended()).await?;
        // The API server accepts this change from everybody, and the stamp contains that name.
        let renamed = json!({"metadata": {"generateName": "other-"}});
        let mallory = ns.mallory().await?;
        mallory.patch::<Job>(&job.name_any(), renamed).await?;
        bob.patch::<Job>(&job.name_any(), json!({"spec": {"suspend": false}}))
            .await?;
        ns.runs_as(&ns.pod_of(&job).await?, BOB).await?;
        Ok(())
    })
}

#[test]
fn a_bare_pod_with_everything_copied_from_bobs_runs_as_its_creator() -> Result<()> {
    with_namespace(|ns| async move {
        let (bobs, pod) = of_bob(&ns).await?;
        let bare = pod_labelled_as(metaflow_pod(), &bobs, &pod)?;
        let pod = ns.mallory().await?.create::<Pod>(bare).await?;
        ns.runs_as(&pod, MALLORY).await?;
        ensure!(annotation(&pod, USER_ANNOTATION)? == MALLORY);
        Ok(())
    })
}

/// A ReplicaSet: its controller is not a carrier, so its pods have no proven person.
fn replica_set(template: &Value, labels: &[(&str, &str)]) -> Result<ReplicaSet> {
    let mut template =
        json!({"metadata": template["metadata"].clone(), "spec": template["spec"].clone()});
    template["spec"]["restartPolicy"] = json!("Always");
    template["spec"]
        .as_object_mut()
        .map(|spec| spec.remove("activeDeadlineSeconds"));
    for (key, value) in labels {
        template["metadata"]["labels"][key] = json!(value);
    }
    let spec =
        json!({"replicas": 1, "selector": {"matchLabels": {"app": "rs"}}, "template": template});
    Ok(serde_json::from_value(
        json!({"metadata": {"name": "rs"}, "spec": spec}),
    )?)
}

#[test]
fn a_replica_set_pod_with_everything_copied_from_bobs_gets_no_identity() -> Result<()> {
    with_namespace(|ns| async move {
        let (bobs, pod) = of_bob(&ns).await?;
        let forged = pod_labelled_as(metaflow_pod(), &bobs, &pod)?.without_account();
        let mallory = ns.mallory().await?;
        mallory
            .create::<ReplicaSet>(replica_set(&forged.into_value(), &[("app", "rs")])?)
            .await?;
        let pod = eventually("the ReplicaSet has its pod", async || {
            let mut pods = ns.pods().await?;
            pods.retain(|pod| pod.labels().get("app").is_some_and(|app| app == "rs"));
            pods.pop().context("none yet")
        })
        .await?;
        ensure!(
            account_of(&pod) == "default",
            "it runs as {}",
            account_of(&pod)
        );
        ensure!(
            !pod.annotations().contains_key(RESOLUTION_ANNOTATION),
            "it kept bob's resolution"
        );
        Ok(())
    })
}

#[test]
fn a_replica_set_that_names_bobs_account_gets_no_pod() -> Result<()> {
    with_namespace(|ns| async move {
        let (_, pod) = of_bob(&ns).await?;
        let named = metaflow_pod().running_as(account_of(&pod)).into_value();
        let mallory = ns.mallory().await?;
        mallory
            .create::<ReplicaSet>(replica_set(&named, &[("app", "rs")])?)
            .await?;
        eventually("the ReplicaSet is told why", async || {
            let set = mallory.all::<ReplicaSet>().get("rs").await?;
            let conditions = set
                .status
                .and_then(|status| status.conditions)
                .unwrap_or_default();
            let told = conditions.iter().any(|c| {
                c.message
                    .as_deref()
                    .is_some_and(|m| m.contains(account_of(&pod)))
            });
            ensure!(told, "{conditions:?}");
            Ok(())
        })
        .await
    })
}

#[test]
fn only_bob_changes_what_bobs_suspended_job_runs() -> Result<()> {
    with_namespace(|ns| async move {
        let (bob, mallory) = (ns.bob().await?, ns.mallory().await?);
        let job = bob.create::<Job>(metaflow_job().suspended()).await?;
        let name = job.name_any();
        let annotated =
            json!({"spec": {"template": {"metadata": {"annotations": {"inject": "sidecar"}}}}});
        let elsewhere =
            json!({"spec": {"template": {"spec": {"nodeSelector": {"owner": "mallory"}}}}});
        for edit in [
            annotated.clone(),
            elsewhere,
            json!({"spec": {"suspend": false}}),
            json!({"spec": {"parallelism": 2}}),
        ] {
            refused(mallory.patch::<Job>(&name, edit).await)?
                .with_code(403)?
                .with_message(BOB)?
                .with_message(MALLORY)?;
        }
        bob.patch::<Job>(&name, annotated).await?;
        bob.patch::<Job>(&name, json!({"spec": {"suspend": false}}))
            .await?;
        let pod = ns.pod_of(&job).await?;
        ns.runs_as(&pod, BOB).await?;
        ensure!(annotation(&pod, "inject")? == "sidecar");
        Ok(())
    })
}

#[test]
fn anybody_can_stop_bobs_job() -> Result<()> {
    with_namespace(|ns| async move {
        let mallory = ns.mallory().await?;
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        ns.pod_of(&job).await?;
        // As Metaflow's client stops a task, as kubectl does, and with deletion.
        mallory
            .patch::<Job>(&job.name_any(), json!({"spec": {"parallelism": 0}}))
            .await?;
        mallory
            .patch::<Job>(&job.name_any(), json!({"spec": {"suspend": true}}))
            .await?;
        mallory.delete::<Job>(&job.name_any()).await?;
        Ok(())
    })
}

#[test]
fn a_stamp_cannot_be_edited_into_or_out_of_a_job() -> Result<()> {
    with_namespace(|ns| async move {
        let (bobs, _) = of_bob(&ns).await?;
        let mallory = ns.mallory().await?;
        let own = mallory.create::<Job>(metaflow_job().suspended()).await?;
        let bobs_stamp = annotation(&bobs, STAMP_ANNOTATION)?;
        for value in [json!(bobs_stamp), json!("nonsense"), Value::Null] {
            let patch = json!({"metadata": {"annotations": {STAMP_ANNOTATION: value}}, "spec": {"suspend": true}});
            let edited: Job = mallory.patch(&own.name_any(), patch).await?;
            let stamp = annotation(&edited, STAMP_ANNOTATION)?;
            ensure!(
                stamp != bobs_stamp && stamp != "nonsense",
                "the edit was kept: {stamp}"
            );
            let patch = json!({"metadata": {"annotations": {STAMP_ANNOTATION: value}}});
            let edited: Job = mallory.patch(&bobs.name_any(), patch).await?;
            ensure!(
                annotation(&edited, STAMP_ANNOTATION)? != "nonsense",
                "the edit was kept"
            );
        }
        mallory
            .patch::<Job>(&own.name_any(), json!({"spec": {"suspend": false}}))
            .await?;
        ns.runs_as(&ns.pod_of(&own).await?, MALLORY).await?;
        Ok(())
    })
}

#[test]
fn a_pod_that_names_bobs_job_as_its_owner_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let (job, pod) = of_bob(&ns).await?;
        let uid = job.uid().context("no uid")?;
        let planted = pod_labelled_as(metaflow_pod(), &job, &pod)?.owned_by(
            "batch/v1",
            "Job",
            &job.name_any(),
            &uid,
        );
        refused(ns.mallory().await?.create::<Pod>(planted.clone()).await)?
            .with_code(403)?
            .with_message(&job.name_any())?
            .with_message(MALLORY)?;
        // Neither an admin nor somebody who impersonates the controller is the carrier.
        refused(ns.admin().await?.create::<Pod>(planted.clone()).await)?.with_code(403)?;
        let user = "system:serviceaccount:kube-system:job-controller";
        let impostor = ns.impostor(user).await?;
        refused(impostor.create::<Pod>(planted).await)?.with_code(403)?;
        Ok(())
    })
}

#[test]
fn a_pod_with_the_labels_by_which_bobs_job_adopts_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let (job, _) = of_bob(&ns).await?;
        let (uid, mallory) = (job.uid().context("no uid")?, ns.mallory().await?);
        let labels = [
            "batch.kubernetes.io/controller-uid",
            "controller-uid",
            "batch.kubernetes.io/job-name",
            "job-name",
        ];
        for label in labels {
            let value = if label.ends_with("uid") {
                uid.clone()
            } else {
                job.name_any()
            };
            let planted = metaflow_pod().labelled(label, &value);
            refused(mallory.create::<Pod>(planted).await)?
                .with_code(403)?
                .with_message(label)?;
        }
        Ok(())
    })
}

#[test]
fn the_job_controller_with_its_own_token_creates_bobs_pod() -> Result<()> {
    // Shows that the refusals above are because of the requester, not because of the pod.
    with_namespace(|ns| async move {
        let job = ns
            .bob()
            .await?
            .create::<Job>(metaflow_job().suspended())
            .await?;
        let uid = job.uid().context("no uid")?;
        let controller = ns.controller("job-controller").await?;
        let pod = metaflow_pod().owned_by("batch/v1", "Job", &job.name_any(), &uid);
        let pod = controller.create::<Pod>(pod).await?;
        ns.runs_as(&pod, BOB).await?;
        Ok(())
    })
}

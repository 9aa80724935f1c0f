//! The largest objects that the API server accepts: 256 KiB of annotations on an object, and objects of nearly 1.5 MB.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use namesake_api::names::STAMP_ANNOTATION;
use namesake_sandbox::kubernetes::users::{ALICE, MALLORY};
use namesake_tests::{
    controllers::replayed_argo::{Controller, create, inline, template},
    drafts::{metaflow_job, metaflow_pod},
    namespace::with_namespace,
};
use serde_json::{Value, json};

use super::{Answer, check_webhook_still_answers, place, send_json, stamped_user};

/// The API server's limit for the annotations of one object, keys and values, in bytes.
const ANNOTATIONS: usize = 256 * 1024;
/// Room for the annotations of Metaflow and Namesake.
const OURS: usize = 8 * 1024;
/// etcd accepts 1.5 MiB in one request.
const OBJECT: usize = 1_450_000;

#[test]
fn a_job_with_as_many_annotations_as_the_api_server_accepts_runs_as_its_creator() -> Result<()> {
    with_namespace(|ns| async move {
        let mallory = ns.mallory().await?;
        let full = "x".repeat(ANNOTATIONS - OURS);
        let job = mallory
            .create::<Job>(metaflow_job().annotated("fat", &full))
            .await?;
        let pod = ns.pod_of(&job).await?;
        ns.runs_as(&pod, MALLORY).await?;
        ensure!(pod.annotations()["fat"].len() == full.len(), "it was cut");
        let bare = mallory
            .create::<Pod>(metaflow_pod().annotated("fat", &full))
            .await?;
        ns.runs_as(&bare, MALLORY).await?;
        check_webhook_still_answers(&ns).await
    })
}

#[test]
fn a_job_with_a_megabyte_of_annotations_is_refused_by_the_api_server_itself() -> Result<()> {
    with_namespace(|ns| async move {
        let mallory = ns.mallory().await?;
        let megabyte = "x".repeat(1024 * 1024);
        // Full to the last byte, so our annotations do not fit.
        let fat = metaflow_job().annotated("fat", "").into_value();
        let all = fat["metadata"]["annotations"].as_object();
        let bytes =
            |(key, value): (&String, &Value)| key.len() + value.as_str().map_or(0, str::len);
        let there: usize = all.into_iter().flatten().map(bytes).sum();
        for draft in [
            metaflow_job().annotated("fat", &megabyte),
            metaflow_job().annotated("fat", &"x".repeat(ANNOTATIONS - there)),
        ] {
            let made = Answer(mallory.create::<Job>(draft).await.map(|_| Value::Null));
            made.expect_refusal(&["metadata.annotations", "Too long"])?;
        }
        let pod = metaflow_pod().annotated("fat", &megabyte);
        let made = Answer(mallory.create::<Pod>(pod).await.map(|_| Value::Null));
        made.expect_refusal(&["metadata.annotations", "Too long"])?;
        check_webhook_still_answers(&ns).await
    })
}

/// An Argo spec with many templates and large arguments.
fn large() -> Value {
    let mut large = template()["spec"].take();
    let start = large["templates"].as_array().and_then(|all| {
        all.iter()
            .find(|template| template.get("container").is_some())
            .cloned()
    });
    let mut templates = large["templates"].as_array().cloned().unwrap_or_default();
    let mut size = large.to_string().len();
    for number in 0.. {
        let mut one = start.clone().unwrap_or_default();
        one["name"] = json!(format!("t{number}"));
        one["container"]["args"] = json!(["x".repeat(2000)]);
        size += one.to_string().len() + 1;
        if size > OBJECT {
            break;
        }
        templates.push(one);
    }
    large["templates"] = json!(templates);
    large
}

#[test]
fn objects_near_one_and_a_half_megabytes_are_stamped_changed_and_run() -> Result<()> {
    with_namespace(|ns| async move {
        let (alice, mallory) = (ns.alice().await?, ns.mallory().await?);
        let argo = Controller::of(&ns).await?;
        let mut workflow = inline();
        workflow["spec"] = large();
        ensure!(workflow.to_string().len() > OBJECT - 10_000, "it is small");
        let made = create(&alice, &workflow).await?;
        ensure!(stamped_user(&serde_json::to_value(&made)?)? == ALICE);
        // An UPDATE review contains the object twice.
        let path = place("argoproj.io/v1alpha1/workflows", &ns.name);
        let path = format!("{path}/{}", made.name_any());
        let change = json!({"spec": {"templates": []}});
        send_json(&mallory, "PATCH", &path, &change)
            .await?
            .expect_refusal(&["spec.templates", ALICE, MALLORY])?;
        let stop = json!({"spec": {"suspend": true}, "metadata": {"annotations": {STAMP_ANNOTATION: "x"}}});
        let stopped = send_json(&mallory, "PATCH", &path, &stop)
            .await?
            .expect_stored()?;
        ensure!(stamped_user(&stopped)? == ALICE);
        ns.runs_as(&argo.create_step_pod(&made, "start").await?, ALICE)
            .await?;
        check_webhook_still_answers(&ns).await
    })
}

#[test]
fn an_object_larger_than_the_api_server_accepts_is_refused_by_the_api_server_itself() -> Result<()>
{
    with_namespace(|ns| async move {
        let mallory = ns.mallory().await?;
        let mut workflow = inline();
        for (bytes, says) in [(1_700_000, "too large"), (3_300_000, "limit is 3145728")] {
            workflow["spec"]["arguments"] = json!({"x": "x".repeat(bytes)});
            let made = create(&mallory, &workflow).await;
            let told = namesake_tests::cluster::refusal::refused(made)?;
            ensure!(told.code != 503, "{told:?}");
            told.with_message(says).context(bytes)?;
        }
        check_webhook_still_answers(&ns).await
    })
}

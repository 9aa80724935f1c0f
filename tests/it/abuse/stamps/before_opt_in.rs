//! Objects from before the opt-in have no proven person, whatever they contain.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    batch::v1::{CronJob, Job},
    core::v1::Event,
};
use kube::{ResourceExt, api::ListParams};
use namesake_api::names::STAMP_ANNOTATION;
use namesake_sandbox::kubernetes::users::BOB;
use namesake_tests::{
    drafts::metaflow_job,
    namespace::{TestNamespace, account_of, with_namespace},
};
use serde_json::json;

/// A stamp that was really signed for bob.
async fn bobs_stamp(ns: &TestNamespace) -> Result<String> {
    let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
    job.annotations()
        .get(STAMP_ANNOTATION)
        .cloned()
        .context("bob's Job has no stamp")
}

/// Waits until an Event says why a Job gets no pod, and checks that it has none.
pub(super) async fn check_gets_no_pod(ns: &TestNamespace, job: &str, why: &str) -> Result<()> {
    ns.wait_for_refusal(job, why).await?;
    let pods = ns.pods().await?;
    let made: Vec<_> = pods
        .iter()
        .filter(|pod| pod.labels().get("job-name").is_some_and(|name| name == job))
        .collect();
    ensure!(
        made.is_empty(),
        "it has pods: {:?}",
        made.iter().map(|pod| account_of(pod)).collect::<Vec<_>>()
    );
    Ok(())
}

#[test]
fn a_job_with_a_planted_stamp_of_bobs_gets_no_pod() -> Result<()> {
    with_namespace(|ns| async move {
        let stamp = bobs_stamp(&ns).await?;
        let neighbour = ns.neighbour().await?;
        let mallory = neighbour.mallory().await?;
        let planted = metaflow_job()
            .suspended()
            .claiming_user(BOB)
            .annotated(STAMP_ANNOTATION, &stamp);
        let job = mallory.create::<Job>(planted).await?;
        neighbour.opt_in().await?;
        // Resuming it does not make somebody its person: here an admin, in place of Kueue or GitOps.
        let admin = neighbour.admin().await?;
        admin
            .patch::<Job>(&job.name_any(), json!({"spec": {"suspend": false}}))
            .await?;
        check_gets_no_pod(&neighbour, &job.name_any(), "stamp").await?;
        neighbour.delete().await
    })
}

#[test]
fn a_job_without_any_stamp_gets_no_pod() -> Result<()> {
    with_namespace(|ns| async move {
        let neighbour = ns.neighbour().await?;
        let mallory = neighbour.mallory().await?;
        let job = mallory
            .create::<Job>(metaflow_job().suspended().claiming_user(BOB))
            .await?;
        neighbour.opt_in().await?;
        mallory
            .patch::<Job>(&job.name_any(), json!({"spec": {"suspend": false}}))
            .await?;
        check_gets_no_pod(&neighbour, &job.name_any(), "stamp").await?;
        neighbour.delete().await
    })
}

#[test]
fn a_cron_job_whose_template_claims_bob_gets_no_identity() -> Result<()> {
    with_namespace(|ns| async move {
        let stamp = bobs_stamp(&ns).await?;
        let neighbour = ns.neighbour().await?;
        let job = metaflow_job()
            .claiming_user(BOB)
            .annotated(STAMP_ANNOTATION, &stamp)
            .without_account()
            .into_value();
        let template = json!({"metadata": {"annotations": job["metadata"]["annotations"].clone()}, "spec": job["spec"].clone()});
        let cron: CronJob = serde_json::from_value(json!({
            "metadata": {"name": "tick"}, "spec": {"schedule": "* * * * *", "jobTemplate": template},
        }))?;
        neighbour.mallory().await?.create::<CronJob>(cron).await?;
        neighbour.opt_in().await?;
        let admin = neighbour.admin().await?;
        // The real controller creates a Job at the next minute, or its Job is refused.
        let outcome = namesake_tests::eventually::within(
            std::time::Duration::from_secs(90),
            "the CronJob ticks",
            async || {
                let pods = neighbour.pods().await?;
                if let Some(pod) = pods.first() {
                    return Ok(format!("a pod as {}", account_of(pod)));
                }
                let events = admin
                    .all::<Event>()
                    .list(&ListParams::default())
                    .await?
                    .items;
                let refused = events
                    .into_iter()
                    .find(|event| event.reason.as_deref() == Some("FailedCreate"));
                refused
                    .and_then(|event| event.message)
                    .context("no pod and no refusal yet")
            },
        )
        .await?;
        ensure!(
            outcome == "a pod as default" || outcome.contains("cronjob-controller"),
            "its pod has a proven requester, or no Event says why there is none: {outcome}"
        );
        ensure!(
            neighbour.identities().await?.is_empty(),
            "an identity was made"
        );
        neighbour.delete().await
    })
}

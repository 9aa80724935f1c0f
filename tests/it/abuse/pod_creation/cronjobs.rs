//! `CronJobs`: a tick runs what their user requested.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::{ResourceExt, api::ListParams};
use namesake_api::names::STAMP_ANNOTATION;
use namesake_sandbox::kubernetes::users::{ALICE, MALLORY};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{Draft, metaflow_job},
    eventually::within,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::{Value, json};

use super::{Parent, job_of, template_of, with_other_command};

/// A schedule with no ticks.
const NEVER: &str = "0 0 30 2 *";
/// Two ticks of the real controller.
const TWO_TICKS: Duration = Duration::from_secs(130);

fn cron_job(schedule: &str, draft: Draft) -> Result<CronJob> {
    let spec =
        json!({"schedule": schedule, "jobTemplate": {"spec": {"template": template_of(draft)}}});
    Ok(serde_json::from_value(
        json!({"metadata": {"name": "nightly"}, "spec": spec}),
    )?)
}

fn edit(template: &Value) -> Value {
    json!({"spec": {"jobTemplate": {"spec": {"template": template}}}})
}

/// The current template in the API server.
fn stored(cron_job: &CronJob) -> Result<Value> {
    let value = serde_json::to_value(cron_job)?;
    Ok(value["spec"]["jobTemplate"]["spec"]["template"].clone())
}

fn parent(cron_job: &CronJob) -> Result<Parent> {
    Parent::of("batch/v1", "CronJob", cron_job)
}

/// Creates the Job of a tick like the controller, with the controller's token.
async fn tick(
    ns: &TestNamespace,
    cron_job: &CronJob,
    template: &Value,
) -> Result<kube::Result<Job>> {
    let controller = ns.controller("cronjob-controller").await?;
    Ok(controller
        .create::<Job>(job_of(&parent(cron_job)?, template)?)
        .await)
}

#[test]
fn the_pod_of_a_scheduled_run_runs_as_the_creator_of_the_cron_job() -> Result<()> {
    with_namespace(|ns| async move {
        let alice = ns.alice().await?;
        let made: CronJob = alice.create(cron_job("* * * * *", metaflow_job())?).await?;
        let uid = made.uid().context("no uid")?;
        let job = within(TWO_TICKS, "the CronJob has a Job", async || {
            let jobs = alice.all::<Job>().list(&ListParams::default()).await?;
            let mut jobs = jobs.items.into_iter();
            jobs.find(|job| job.owner_references().iter().any(|o| o.uid == uid))
                .context("none yet")
        })
        .await?;
        ns.runs_as(&ns.pod_of(&job).await?, ALICE).await?;
        Ok(())
    })
}

#[test]
fn an_edit_of_a_cron_job_by_somebody_else_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let (alice, mallory) = (ns.alice().await?, ns.mallory().await?);
        let made: CronJob = alice.create(cron_job(NEVER, metaflow_job())?).await?;
        let edits = [
            edit(&with_other_command(&stored(&made)?)),
            edit(&json!({"metadata": {"annotations": {"inject": "sidecar"}}})),
            json!({"spec": {"schedule": "* * * * *"}}),
        ];
        for edit in edits {
            refused(mallory.patch::<CronJob>("nightly", edit).await)?
                .with_code(403)?
                .with_message(ALICE)?
                .with_message(MALLORY)?;
        }
        let stop = json!({"spec": {"suspend": true}});
        mallory.patch::<CronJob>("nightly", stop).await?;
        refused(
            mallory
                .patch::<CronJob>("nightly", json!({"spec": {"suspend": false}}))
                .await,
        )?
        .with_code(403)?;
        Ok(())
    })
}

#[test]
fn a_cron_job_changed_by_its_user_runs_its_current_template_and_nothing_else() -> Result<()> {
    with_namespace(|ns| async move {
        let alice = ns.alice().await?;
        let made: CronJob = alice.create(cron_job(NEVER, metaflow_job())?).await?;
        let before = stored(&made)?;
        ns.runs_as(&ns.pod_of(&tick(&ns, &made, &before).await??).await?, ALICE)
            .await?;
        let changed = edit(&json!({"metadata": {"annotations": {"version": "2"}}}));
        let made: CronJob = alice.patch("nightly", changed).await?;
        let job = tick(&ns, &made, &stored(&made)?).await??;
        ns.runs_as(&ns.pod_of(&job).await?, ALICE).await?;
        for other in [before, with_other_command(&stored(&made)?)] {
            refused(tick(&ns, &made, &other).await?)?
                .with_code(503)?
                .with_message("something else")?;
        }
        Ok(())
    })
}

#[test]
fn only_its_controller_or_its_user_creates_a_job_of_a_cron_job() -> Result<()> {
    with_namespace(|ns| async move {
        let (alice, mallory) = (ns.alice().await?, ns.mallory().await?);
        let made: CronJob = alice.create(cron_job(NEVER, metaflow_job())?).await?;
        let job = job_of(&parent(&made)?, &stored(&made)?)?;
        refused(mallory.create::<Job>(job.clone()).await)?
            .with_code(403)?
            .with_message("CronJob")?
            .with_message(MALLORY)?;
        let user = "system:serviceaccount:kube-system:cronjob-controller";
        let impostor = ns.impostor(user).await?;
        refused(impostor.create::<Job>(job.clone()).await)?.with_code(403)?;
        // Like `kubectl create job --from=cronjob/nightly`.
        let own = alice.create::<Job>(job).await?;
        ns.runs_as(&ns.pod_of(&own).await?, ALICE).await?;
        Ok(())
    })
}

#[test]
fn a_rule_that_denies_cron_jobs_refuses_the_cron_job_itself() -> Result<()> {
    with_namespace(|ns| async move {
        let alice = ns.alice().await?;
        let denied = cron_job(NEVER, metaflow_job().flow("Never"))?;
        refused(alice.create::<CronJob>(denied).await)?
            .with_code(403)?
            .with_message("no-nights")?
            .with_message(ALICE)?;
        // A Job of the same flow does not belong to a CronJob.
        alice.create::<Job>(metaflow_job().flow("Never")).await?;
        alice
            .create::<CronJob>(cron_job(NEVER, metaflow_job())?)
            .await?;
        let annotations = json!({"metadata": {"annotations": {"metaflow/flow_name": "Never"}}});
        refused(alice.patch::<CronJob>("nightly", edit(&annotations)).await)?
            .with_message("no-nights")?;
        Ok(())
    })
}

#[test]
fn the_stamp_of_a_job_is_void_on_a_cron_job() -> Result<()> {
    with_namespace(|ns| async move {
        let (alice, mallory) = (ns.alice().await?, ns.mallory().await?);
        let job = alice.create::<Job>(metaflow_job().suspended()).await?;
        let stamp = job.annotations().get(STAMP_ANNOTATION).cloned();
        let stamp = stamp.context("no stamp")?;
        let mut own = cron_job(NEVER, metaflow_job())?;
        let annotations = own.annotations_mut();
        annotations.insert(STAMP_ANNOTATION.to_owned(), stamp.clone());
        let made: CronJob = mallory.create(own).await?;
        ensure!(made.annotations().get(STAMP_ANNOTATION) != Some(&stamp));
        let job = tick(&ns, &made, &stored(&made)?).await??;
        ns.runs_as(&ns.pod_of(&job).await?, MALLORY).await?;
        Ok(())
    })
}

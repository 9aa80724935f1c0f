//! Scheduled objects of somebody who was offboarded: they are listed, and their runs are refused.

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::ResourceExt;
use namesake_api::{Identity, Phase};
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    cluster::refusal::refused, controllers::replayed_argo, drafts::metaflow_job,
    eventually::eventually, namespace::with_own_stack, stack::SHARED_RULES,
};
use serde_json::json;

use super::{identity, run_first_task, wait_for_phase, with_short_intervals};

/// A schedule with no ticks.
const NEVER: &str = "0 0 30 2 *";

#[test]
fn what_an_offboarded_user_has_scheduled_is_listed_and_refused_when_its_time_comes() -> Result<()> {
    with_own_stack(with_short_intervals(), |ns| async move {
        let (_, name) = run_first_task(&ns).await?;
        let alice = ns.alice().await?;
        let template = metaflow_job().into_value()["spec"]["template"].clone();
        let nightly: CronJob = serde_json::from_value(json!({
            "metadata": {"name": "nightly"},
            "spec": {"schedule": NEVER, "jobTemplate": {"spec": {"template": template}}},
        }))?;
        let nightly = alice.create::<CronJob>(nightly).await?;
        let flow = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": "weekly"},
            "spec": {"schedule": NEVER, "workflowSpec": replayed_argo::inline()["spec"]},
        });
        let weekly = replayed_argo::create(&alice, &flow).await?;
        replayed_argo::create(&alice, &replayed_argo::template()).await?;
        let bobs = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": "bobs"},
            "spec": {"schedule": NEVER, "workflowSpec": replayed_argo::inline()["spec"]},
        });
        replayed_argo::create(&ns.bob().await?, &bobs).await?;

        let offboarded = format!("{SHARED_RULES}offboarded: [{ALICE}]\n");
        ns.stack.edit_rules(&offboarded).await??;
        wait_for_phase(&ns, &name, Phase::Offboarding).await?;
        eventually("what is scheduled is listed", async || {
            let identity: Identity = identity(&ns, &name).await?;
            let left = identity.status.unwrap_or_default().left;
            for one in ["CronJob nightly", "CronWorkflow weekly"] {
                ensure!(left.iter().any(|l| l == one), "{one} is not in {left:?}");
            }
            ensure!(!left.iter().any(|l| l.contains("bobs")), "{left:?}");
            Ok(())
        })
        .await?;

        // The requests of the controllers at a tick.
        let owner = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": nightly.uid(),
            "controller": true, "blockOwnerDeletion": true}]);
        let mut tick = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "nightly-1", "ownerReferences": owner}});
        tick["spec"]["template"] = template;
        let tick: Job = serde_json::from_value(tick)?;
        let controller = ns.controller("cronjob-controller").await?;
        refused(controller.create::<Job>(tick).await)?
            .with_code(403)?
            .with_message("is offboarded")?;
        let mut tick = replayed_argo::inline();
        tick["metadata"] = json!({
            "name": "weekly-1", "labels": {"workflows.argoproj.io/cron-workflow": "weekly"},
            "ownerReferences": [replayed_argo::owner(&weekly, "CronWorkflow")]});
        let controller = replayed_argo::Controller::of(&ns).await?;
        refused(replayed_argo::create(&controller.0, &tick).await)?
            .with_code(403)?
            .with_message("is offboarded")?
            .with_message(ALICE)?;
        // Her template, started by others.
        refused(replayed_argo::create(&ns.bob().await?, &replayed_argo::trigger()).await)?
            .with_code(403)?
            .with_message("is offboarded")?
            .with_message(ALICE)?;
        Ok(())
    })
}

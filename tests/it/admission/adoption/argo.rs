//! Argo objects without a proven person: only an admin assigns them to a user, and then what Argo creates from them is the user's.
//! The tests write in place of Argo's controller, with its account.

use anyhow::{Result, ensure};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use namesake_api::names::{ADOPT_ANNOTATION, STAMP_ANNOTATION};
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    cluster::refusal::refused,
    controllers::replayed_argo::{
        Controller, FLOW, create, inline, kind, now, owner, patch, template, trigger,
    },
    eventually::eventually,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::{Value, json};

use super::{adopt_for, check_audit_log, unproven};

/// Waits until an object is listed as unproven.
async fn wait_until_listed(ns: &TestNamespace, of: &str, name: &str) -> Result<()> {
    let wanted = format!("argoproj.io/{of} {name}");
    eventually("it is listed", async || {
        let listed = unproven(ns).await?;
        let found = listed
            .iter()
            .any(|(n, why)| *n == wanted && why.contains("no stamp"));
        ensure!(found, "{wanted} is not in {listed:?}");
        Ok(())
    })
    .await
}

/// Assigns an object to alice as an admin, after everybody else has tried.
async fn only_an_admin_adopts(ns: &TestNamespace, of: &str, name: &str) -> Result<DynamicObject> {
    for person in [ns.alice().await?, ns.mallory().await?] {
        refused(patch(&person, of, name, adopt_for(ALICE)).await)?
            .with_code(403)?
            .with_message("only admins")?
            .with_message(&person.name)?;
    }
    // Argo copies the annotation from templates: its update is not refused for it, and the annotation has no effect.
    let argo = Controller::of(ns).await?;
    if let Ok(seen) = patch(&argo.0, of, name, adopt_for(ALICE)).await {
        ensure!(!seen.annotations().contains_key(STAMP_ANNOTATION));
        ensure!(!seen.annotations().contains_key(ADOPT_ANNOTATION));
    }
    let admin = ns.admin().await?;
    refused(patch(&admin, of, name, adopt_for("carl@contractor.example")).await)?
        .with_code(403)?
        .with_message("contractors")?;
    let adopted = patch(&admin, of, name, adopt_for(ALICE)).await?;
    ensure!(adopted.annotations().contains_key(STAMP_ANNOTATION));
    ensure!(!adopted.annotations().contains_key(ADOPT_ANNOTATION));
    check_audit_log(ns, name).await?;
    Ok(adopted)
}

#[test]
fn only_an_admin_assigns_a_template_from_before_the_opt_in_to_its_user() -> Result<()> {
    with_namespace(|ns| async move {
        let neighbour = ns.neighbour().await?;
        // An annotation from its creation has no effect.
        let mut planted = template();
        planted["metadata"]["annotations"][ADOPT_ANNOTATION] = json!("mallory@acme.com");
        create(&neighbour.mallory().await?, &planted).await?;
        neighbour.opt_in().await?;
        wait_until_listed(&neighbour, "WorkflowTemplate", FLOW).await?;
        let bob = neighbour.bob().await?;
        refused(create(&bob, &trigger()).await)?
            .with_code(403)?
            .with_message("ask an admin to adopt it")?;
        let note = json!({"metadata": {"annotations": {"note": "x"}}});
        let admin = neighbour.admin().await?;
        let noted = patch(&admin, "WorkflowTemplate", FLOW, note).await?;
        ensure!(!noted.annotations().contains_key(STAMP_ANNOTATION));
        only_an_admin_adopts(&neighbour, "WorkflowTemplate", FLOW).await?;
        let identities = neighbour.identities().await?;
        ensure!(
            identities.len() == 1 && identities[0].spec.user == ALICE,
            "the identity is not asked for: {identities:?}"
        );
        let argo = Controller::of(&neighbour).await?;
        let workflow = create(&bob, &trigger()).await?;
        let workflow = argo.store_spec(&workflow, &template()["spec"]).await?;
        let pod = argo.create_step_pod(&workflow, "start").await?;
        neighbour.runs_as(&pod, ALICE).await?;
        eventually(
            "the list of objects without a proven requester is empty",
            async || {
                let listed = unproven(&neighbour).await?;
                ensure!(listed.is_empty(), "{listed:?}");
                Ok(())
            },
        )
        .await?;
        neighbour.delete().await
    })
}

#[test]
fn what_an_adopted_cron_workflow_starts_runs_as_its_user() -> Result<()> {
    with_namespace(|ns| async move {
        let neighbour = ns.neighbour().await?;
        let cron = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": "nightly"},
            "spec": {"schedules": ["0 0 * * *"], "workflowSpec": template()["spec"]}});
        let cron = create(&neighbour.alice().await?, &cron).await?;
        neighbour.opt_in().await?;
        wait_until_listed(&neighbour, "CronWorkflow", "nightly").await?;
        let argo = Controller::of(&neighbour).await?;
        let tick = |number: u32| {
            let mut made = inline();
            made["metadata"] = json!({
                "name": format!("nightly-{number}"), "labels": {"workflows.argoproj.io/cron-workflow": "nightly"},
                "annotations": {"workflows.argoproj.io/scheduled-time": "2026-11-26T00:00:00Z"},
                "ownerReferences": [owner(&cron, "CronWorkflow")]});
            made
        };
        refused(create(&argo.0, &tick(1)).await)?.with_code(403)?;
        only_an_admin_adopts(&neighbour, "CronWorkflow", "nightly").await?;
        let workflow = create(&argo.0, &tick(2)).await?;
        let pod = argo.create_step_pod(&workflow, "start").await?;
        neighbour.runs_as(&pod, ALICE).await?;
        // What it runs belongs to alice now: nobody else changes it.
        let image = json!({"spec": {"workflowSpec": {"serviceAccountName": "powerful"}}});
        let mallory = neighbour.mallory().await?;
        refused(patch(&mallory, "CronWorkflow", "nightly", image).await)?
            .with_code(403)?
            .with_message(ALICE)?;
        neighbour.delete().await
    })
}

#[test]
fn a_workflow_that_a_cron_workflow_started_is_adopted_on_its_own() -> Result<()> {
    with_namespace(|ns| async move {
        let neighbour = ns.neighbour().await?;
        let cron = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": "nightly"},
            "spec": {"schedules": ["0 0 * * *"], "workflowSpec": template()["spec"]}});
        let cron = create(&neighbour.alice().await?, &cron).await?;
        let argo = Controller::of(&neighbour).await?;
        let mut running = inline();
        running["metadata"] =
            json!({"name": "nightly-1", "ownerReferences": [owner(&cron, "CronWorkflow")]});
        let running = create(&argo.0, &running).await?;
        neighbour.opt_in().await?;
        wait_until_listed(&neighbour, "Workflow", "nightly-1").await?;
        refused(argo.create_step_pod(&running, "start").await)?.with_code(403)?;
        // This Workflow already runs; only what the schedule starts from now on is alice's.
        only_an_admin_adopts(&neighbour, "Workflow", "nightly-1").await?;
        let running = now(&argo.0, &running).await?;
        let pod = argo.create_step_pod(&running, "start").await?;
        neighbour.runs_as(&pod, ALICE).await?;
        let mut later = inline();
        later["metadata"] =
            json!({"name": "nightly-2", "ownerReferences": [owner(&cron, "CronWorkflow")]});
        refused(create(&argo.0, &later).await)?.with_code(403)?;
        neighbour.delete().await
    })
}

#[test]
fn a_workflow_from_before_the_opt_in_continues_as_its_user_once_it_is_adopted() -> Result<()> {
    with_namespace(|ns| async move {
        let neighbour = ns.neighbour().await?;
        let alice = neighbour.alice().await?;
        let argo = Controller::of(&neighbour).await?;
        create(&alice, &template()).await?;
        let running = create(&alice, &trigger()).await?;
        let running = argo.store_spec(&running, &template()["spec"]).await?;
        let waiting = create(&alice, &trigger()).await?;
        neighbour.opt_in().await?;
        let (name, waiting) = (running.name_any(), waiting.name_any());
        wait_until_listed(&neighbour, "Workflow", &name).await?;
        refused(argo.create_step_pod(&running, "start").await)?
            .with_code(403)?
            .with_message("ask an admin")?;
        only_an_admin_adopts(&neighbour, "Workflow", &name).await?;
        let running = now(&alice, &running).await?;
        let pod = argo.create_step_pod(&running, "start").await?;
        neighbour.runs_as(&pod, ALICE).await?;
        let forged =
            json!({"status": {"storedWorkflowTemplateSpec": {"serviceAccountName": "powerful"}}});
        let mallory = neighbour.mallory().await?;
        refused(patch(&mallory, "Workflow", &name, forged).await)?
            .with_code(403)?
            .with_message(ALICE)?;
        // It is not known yet what this one will run.
        let admin = neighbour.admin().await?;
        refused(patch(&admin, "Workflow", &waiting, adopt_for(ALICE)).await)?
            .with_code(503)?
            .with_message("not stored")?;
        neighbour.delete().await
    })
}

#[test]
fn the_adoption_annotation_has_no_effect_on_a_new_object_or_in_a_template() -> Result<()> {
    with_namespace(|ns| async move {
        let (bob, mallory, admin) = (ns.bob().await?, ns.mallory().await?, ns.admin().await?);
        for mut object in [template(), inline()] {
            object["metadata"]["annotations"][ADOPT_ANNOTATION] = json!(ALICE);
            for person in [&mallory, &admin] {
                refused(create(person, &object).await)?
                    .with_code(403)?
                    .with_message("a new")?;
            }
        }
        // Argo copies a template's workflowMetadata to the Workflow.
        let argo = Controller::of(&ns).await?;
        let workflow = create(&bob, &inline()).await?;
        let laundered = argo.update(&workflow, adopt_for(ALICE)).await?;
        ensure!(!laundered.annotations().contains_key(ADOPT_ANNOTATION));
        let pod = argo.create_step_pod(&laundered, "start").await?;
        ns.runs_as(&pod, &bob.name).await?;
        Ok(())
    })
}

#[test]
fn a_cluster_workflow_template_without_a_user_is_adopted_for_one() -> Result<()> {
    with_namespace(|ns| async move {
        let name = format!("{FLOW}-{}", ns.name);
        let (admin, bob) = (ns.admin().await?, ns.bob().await?);
        let all: Api<DynamicObject> =
            Api::all_with(admin.client().clone(), &kind("ClusterWorkflowTemplate"));
        let mut cluster_wide: Value = template();
        cluster_wide["kind"] = json!("ClusterWorkflowTemplate");
        cluster_wide["metadata"]["name"] = json!(name);
        let object = serde_json::from_value(cluster_wide)?;
        all.create(&PostParams::default(), &object).await?;
        let mut run = trigger();
        run["spec"]["workflowTemplateRef"] = json!({"name": name, "clusterScope": true});
        // The rules do not match the admin who deployed it.
        refused(create(&bob, &run).await)?.with_code(403)?;
        let patch = Patch::Merge(adopt_for(ALICE));
        let adopted = all.patch(&name, &PatchParams::default(), &patch).await?;
        ensure!(!adopted.annotations().contains_key(ADOPT_ANNOTATION));
        let argo = Controller::of(&ns).await?;
        let workflow = create(&bob, &run).await?;
        let workflow = argo.store_spec(&workflow, &template()["spec"]).await?;
        let pod = argo.create_step_pod(&workflow, "start").await?;
        ns.runs_as(&pod, ALICE).await?;
        all.delete(&name, &DeleteParams::default()).await?;
        Ok(())
    })
}

//! Attacks that were tried against the real controllers, and variants of them.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use namesake_api::names::{
    IDENTITY_LABEL, RESOLUTION_ANNOTATION, STAMP_ANNOTATION, USER_ANNOTATION,
};
use namesake_sandbox::kubernetes::users::{ALICE, BOB, MALLORY};
use namesake_tests::{
    cluster::refusal::refused,
    controllers::replayed_argo::{
        FLOW, as_stored, create, inline, now, owner, patch, pod, template, trigger,
    },
    drafts::metaflow_job,
    namespace::with_namespace,
};
use serde_json::{Value, json};

use super::deployed;

#[test]
fn what_a_workflow_runs_is_changed_neither_by_its_starter_nor_by_others() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let name = workflow.name_any();
        let outputs = json!({"parameters": [{"name": "task-id", "value": "$(id)"}]});
        for change in [
            json!({"status": {"storedWorkflowTemplateSpec": {"serviceAccountName": "powerful"}}}),
            json!({"status": {"storedWorkflowTemplateSpec": {"podMetadata": {"annotations": {"a": "b"}}}}}),
            json!({"status": {"storedTemplates": {"namespaced/T/t": {"container": {"image": "evil"}}}}}),
            json!({"status": {"nodes": {"n": {"phase": "Succeeded"}}}}),
            json!({"status": {"nodes": {"n": {"outputs": outputs}}}}),
            json!({"spec": {"serviceAccountName": "powerful", "suspend": true}}),
            json!({"spec": {"podMetadata": {"annotations": {"a": "b"}}, "suspend": true}}),
            json!({"spec": {"arguments": {"parameters": [{"name": "q", "value": "x"}]}}}),
            json!({"metadata": {"labels": {"workflows.argoproj.io/phase": null}}}),
        ] {
            for person in [&d.bob, &d.mallory] {
                let changed = patch(person, "Workflow", &name, change.clone()).await;
                refused(changed)?
                    .with_code(403)?
                    .with_message(ALICE)?
                    .with_message(&person.name)
                    .with_context(|| change.to_string())?;
            }
        }
        d.ns.runs_as(&d.argo.create_step_pod(&workflow, "end").await?, ALICE)
            .await?;
        Ok(())
    })
}

#[test]
fn a_status_that_comes_with_a_new_workflow_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let mut forged = trigger();
        forged["status"] = json!({"storedWorkflowTemplateSpec": as_stored(&template()["spec"])});
        refused(create(&d.mallory, &forged).await)?
            .with_code(403)?
            .with_message("status")?
            .with_message(MALLORY)?;
        forged["spec"] = inline()["spec"].take();
        refused(create(&d.mallory, &forged).await)?
            .with_code(403)?
            .with_message("status")?;
        Ok(())
    })
}

#[test]
fn a_template_that_was_swapped_and_swapped_back_gets_no_identity() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = create(&d.bob, &trigger()).await?;
        let evil = d.swapped_by(&d.mallory).await?;
        // Argo has read mallory's template, and alice deploys hers again before Argo stores it.
        d.deploys(&d.alice, &template()).await?;
        let workflow = d.argo.store_spec(&workflow, &evil).await?;
        refused(d.argo.create_step_pod(&workflow, "start").await)?
            .with_code(403)?
            .with_message("no identity")?;
        // Argo's own updates are still accepted.
        d.argo
            .update(&workflow, json!({"status": {"phase": "Error"}}))
            .await?;
        Ok(())
    })
}

#[test]
fn a_template_that_mallory_changed_runs_as_mallory_even_after_she_restores_it() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = create(&d.bob, &trigger()).await?;
        let evil = d.swapped_by(&d.mallory).await?;
        let hers = d.argo.store_spec(&workflow, &evil).await?;
        d.ns.runs_as(&d.argo.create_step_pod(&hers, "start").await?, MALLORY)
            .await?;
        d.deploys(&d.mallory, &template()).await?;
        let workflow = create(&d.bob, &trigger()).await?;
        let workflow = d.argo.store_spec(&workflow, &template()["spec"]).await?;
        d.ns.runs_as(&d.argo.create_step_pod(&workflow, "start").await?, MALLORY)
            .await?;
        Ok(())
    })
}

#[test]
fn fields_that_bypass_the_containers_are_refused_in_every_object() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let other = json!({"name": "other", "template": "t"});
        for (pointer, member, value, says) in [
            (
                "/spec",
                "podSpecPatch",
                json!(r#"{"serviceAccountName":"powerful"}"#),
                "podSpecPatch",
            ),
            (
                "/spec/templates/2",
                "podSpecPatch",
                json!("{}"),
                "podSpecPatch",
            ),
            (
                "/spec",
                "executor",
                json!({"serviceAccountName": "powerful"}),
                "executor",
            ),
            (
                "/spec/templates/1/dag/tasks/0",
                "templateRef",
                other,
                "templateRef",
            ),
            (
                "/spec/templates/2",
                "http",
                json!({"url": "https://x"}),
                "http",
            ),
        ] {
            let mut template = template();
            template["metadata"]["name"] = json!("another");
            let at = template.pointer_mut(pointer).context("no such place")?;
            at[member] = value;
            refused(create(&d.mallory, &template).await)?
                .with_code(403)?
                .with_message(says)?
                .with_message(MALLORY)?;
            let spec = json!({"spec": template["spec"]});
            refused(patch(&d.mallory, "WorkflowTemplate", FLOW, spec).await)?
                .with_code(403)?
                .with_message(says)?;
            let mut workflow = inline();
            workflow["spec"] = template["spec"].take();
            refused(create(&d.mallory, &workflow).await)?
                .with_code(403)?
                .with_message(says)?;
        }
        Ok(())
    })
}

#[test]
fn a_reference_with_additional_fields_does_not_run_alices_template() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let mut more = trigger();
        more["spec"]["podMetadata"] = json!({"annotations": {"a": "b"}});
        refused(create(&d.bob, &more).await)?
            .with_code(403)?
            .with_message("workflowTemplateRef")?
            .with_message(BOB)?;
        // Alice may store her own template: it runs as alice, unless somebody else has changed the template by then.
        let workflow = create(&d.alice, &more).await?;
        let both = merged(&template()["spec"], &more);
        let merged = d.argo.store_spec(&workflow, &both).await?;
        d.ns.runs_as(&d.argo.create_step_pod(&merged, "start").await?, ALICE)
            .await?;
        let workflow = create(&d.alice, &more).await?;
        let evil = d.swapped_by(&d.mallory).await?;
        let workflow = d.argo.store_spec(&workflow, &evil).await?;
        refused(d.argo.create_step_pod(&workflow, "start").await)?
            .with_code(403)?
            .with_message("no identity")?;
        Ok(())
    })
}

/// The spec that Argo stores for a template and a Workflow that sets further fields.
fn merged(template: &Value, more: &Value) -> Value {
    let mut spec = template.clone();
    json_patch::merge(&mut spec["podMetadata"], &more["spec"]["podMetadata"]);
    spec
}

#[test]
fn alices_template_in_argos_cache_does_not_run_as_bob_who_replaced_it() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let bobs = d.swapped_by(&d.bob).await?;
        let mut more = trigger();
        more["spec"]["podMetadata"] = json!({"annotations": {"a": "b"}});
        let workflow = create(&d.bob, &more).await?;
        // Argo's cache is stale: it stores the previous version.
        let alices = merged(&template()["spec"], &more);
        let late = d.argo.store_spec(&workflow, &alices).await?;
        refused(d.argo.create_step_pod(&late, "start").await)?
            .with_code(403)?
            .with_message("no identity")?;
        let workflow = create(&d.bob, &more).await?;
        let workflow = d.argo.store_spec(&workflow, &merged(&bobs, &more)).await?;
        d.ns.runs_as(&d.argo.create_step_pod(&workflow, "start").await?, BOB)
            .await?;
        Ok(())
    })
}

#[test]
fn keys_rendered_from_parameters_do_not_replace_namesakes_keys_on_a_pod() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let mut rendered = pod(&workflow, "start");
        for key in [RESOLUTION_ANNOTATION, USER_ANNOTATION, "metaflow/user"] {
            rendered["metadata"]["annotations"][key] = json!(BOB);
        }
        rendered["metadata"]["labels"][IDENTITY_LABEL] = json!(d.ns.name_for(BOB));
        let pod = d.argo.create_pod(rendered).await?;
        d.ns.runs_as(&pod, ALICE).await?;
        ensure!(
            pod.annotations()
                .get(USER_ANNOTATION)
                .is_some_and(|user| user == ALICE)
        );
        Ok(())
    })
}

#[test]
fn a_stamp_that_argo_copies_into_a_workflow_is_replaced_by_the_original() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let alices = create(&d.alice, &inline()).await?;
        let stolen = alices
            .annotations()
            .get(STAMP_ANNOTATION)
            .cloned()
            .context("no stamp")?;
        let workflow = create(&d.mallory, &inline()).await?;
        let laundered =
            json!({"metadata": {"annotations": {STAMP_ANNOTATION: stolen, "claim": "laundered"}}});
        let updated = d.argo.update(&workflow, laundered).await?;
        ensure!(
            updated.annotations().get(STAMP_ANNOTATION) != Some(&stolen),
            "the laundered stamp stayed"
        );
        ensure!(
            updated.annotations().contains_key("claim"),
            "Argo's update was not written"
        );
        d.ns.runs_as(&d.argo.create_step_pod(&updated, "start").await?, MALLORY)
            .await?;
        Ok(())
    })
}

#[test]
fn alices_workflow_runs_as_the_person_who_resubmits_it_with_all_its_annotations() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let alices = create(&d.alice, &inline()).await?;
        let mut resubmitted = inline();
        resubmitted["metadata"]["annotations"] = json!(alices.annotations());
        resubmitted["metadata"]["labels"] =
            json!({"workflows.argoproj.io/resubmitted-from-workflow": alices.name_any()});
        let workflow = create(&d.bob, &resubmitted).await?;
        d.ns.runs_as(&d.argo.create_step_pod(&workflow, "start").await?, BOB)
            .await?;
        Ok(())
    })
}

#[test]
fn only_its_user_retries_a_workflow_with_changed_node_outputs() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = create(&d.alice, &inline()).await?;
        let failed = json!({"status": {"phase": "Failed", "nodes": {"n": {"phase": "Failed", "outputs": {"exitCode": "1"}}}},
            "metadata": {"labels": {"workflows.argoproj.io/completed": "true"}}});
        let failed = d.argo.update(&workflow, failed).await?;
        let retry = json!({"status": {"phase": "Running", "nodes": {"n": {"phase": "Succeeded", "outputs": {"result": "$(id)"}}}},
            "metadata": {"labels": {"workflows.argoproj.io/completed": null}}});
        let name = failed.name_any();
        refused(patch(&d.bob, "Workflow", &name, retry.clone()).await)?
            .with_code(403)?
            .with_message(ALICE)?;
        patch(&d.alice, "Workflow", &name, retry).await?;
        Ok(())
    })
}

#[test]
fn a_pod_that_claims_to_be_a_node_of_anothers_workflow_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = now(&d.bob, &d.started().await?).await?;
        let owned = pod(&workflow, "start");
        let mut without_owner = owned.clone();
        without_owner["metadata"]["ownerReferences"] = json!([]);
        let mut labelled = without_owner.clone();
        labelled["metadata"]["annotations"] = json!({});
        for planted in [owned, without_owner, labelled] {
            let planted: Pod = serde_json::from_value(planted)?;
            refused(d.mallory.create::<Pod>(planted).await)?.with_code(403)?;
        }
        // The pods of a Job would have it too.
        let id = format!("{}-1", workflow.name_any());
        let node = metaflow_job().annotated("workflows.argoproj.io/node-id", &id);
        refused(d.mallory.create::<Job>(node).await)?
            .with_code(403)?
            .with_message("node-id")?;
        Ok(())
    })
}

#[test]
fn a_workflow_that_names_a_foreign_cron_workflow_as_its_owner_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let cron = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": "nightly"},
            "spec": {"schedules": ["0 0 * * *"], "workflowSpec": inline()["spec"]}});
        let cron = create(&d.alice, &cron).await?;
        let mut planted = inline();
        planted["metadata"]["ownerReferences"] = json!([owner(&cron, "CronWorkflow")]);
        refused(create(&d.mallory, &planted).await)?
            .with_code(403)?
            .with_message("owner")?;
        // Argo's result belongs to alice as long as it equals hers.
        let workflow = create(&d.argo.0, &planted).await?;
        d.ns.runs_as(&d.argo.create_step_pod(&workflow, "start").await?, ALICE)
            .await?;
        planted["spec"]["podMetadata"]["annotations"]["a"] = json!("b");
        refused(create(&d.argo.0, &planted).await)?
            .with_code(503)?
            .with_message("nightly")?;
        let edit = json!({"spec": {"workflowSpec": {"podMetadata": {"labels": {"a": "b"}}}}});
        refused(patch(&d.mallory, "CronWorkflow", "nightly", edit).await)?
            .with_code(403)?
            .with_message(ALICE)?;
        Ok(())
    })
}

#[test]
fn argos_agent_gets_no_identity() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let mut agent: Value = pod(&workflow, "start");
        agent["metadata"]["name"] = json!(format!("{}-1340600742-agent", workflow.name_any()));
        refused(d.argo.create_pod(agent).await)?
            .with_code(403)?
            .with_message("agent")?;
        Ok(())
    })
}

#[test]
fn the_refusal_for_a_template_from_before_the_opt_in_says_to_deploy_it_again() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let before = d.ns.neighbour().await?;
        create(&before.alice().await?, &template()).await?;
        before.opt_in().await?;
        let workflow = create(&before.bob().await?, &trigger()).await;
        refused(workflow)?
            .with_code(403)?
            .with_message("deploy it again")?;
        before.delete().await
    })
}

//! Argo's controller while all our webhooks are down, and its clean-up.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, api::DeleteParams};
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    cluster::refusal::refused,
    controllers::replayed_argo::{create, inline, kind, now, patch, pod, result_of},
    namespace::{account_of, with_namespace, with_own_stack},
    stack::Options,
};
use serde_json::{Value, json};

use super::deployed;

fn labelled(value: &str) -> Value {
    json!({"metadata": {"labels": {"workflows.argoproj.io/completed": value}}})
}

#[test]
fn while_the_webhook_is_down_argos_pods_finish_and_workflows_continue_afterwards() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let name = workflow.name_any();
        let (step, task) = d.step(&workflow, "start").await?;
        let result = create(&task, &result_of(&workflow, &step)).await?;
        let finalizers = json!({"metadata": {"finalizers": ["workflows.argoproj.io/artifact-gc"]}});
        d.ns.stack.kill_webhook().await;
        // Running steps can finish: the executor writes the result, Argo labels the pod, and deletes it.
        let outputs = json!({"outputs": {"parameters": [{"name": "task-id", "value": "7"}]}});
        patch(&task, "WorkflowTaskResult", &result.name_any(), outputs).await?;
        let ended = step.name_any();
        d.argo.0.patch::<Pod>(&ended, labelled("true")).await?;
        d.argo.0.delete::<Pod>(&ended).await?;
        // Finalizers can be added and removed.
        patch(&d.argo.0, "Workflow", &name, finalizers).await?;
        patch(
            &d.argo.0,
            "Workflow",
            &name,
            json!({"metadata": {"finalizers": null}}),
        )
        .await?;
        // Updates of Workflows wait, even Argo's: only the webhook can tell which ones change what runs.
        let done = json!({"status": {"nodes": {"n": {"phase": "Succeeded"}}}});
        for update in [done.clone(), labelled("true")] {
            refused(d.argo.update(&workflow, update).await)?
                .with_code(500)?
                .with_message("failed calling webhook")?;
        }
        refused(d.argo.create_step_pod(&workflow, "end").await)?
            .with_code(500)?
            .with_message("failed calling webhook")?;
        d.ns.stack.start_webhook().await?;
        // Argo tries again, and the Workflow still belongs to alice.
        let workflow = d.argo.update(&workflow, done).await?;
        d.ns.runs_as(&d.argo.create_step_pod(&workflow, "end").await?, ALICE)
            .await?;
        d.argo.update(&workflow, labelled("true")).await?;
        d.ns.stack.kill_webhook().await;
        let workflows = d.mallory.objects(&kind("Workflow"));
        workflows.delete(&name, &DeleteParams::default()).await?;
        ensure!(now(&d.alice, &workflow).await.is_err(), "it is still there");
        d.ns.stack.start_webhook().await
    })
}

/// The pod that Argo creates to delete the artifacts of a Workflow; its owner is a WorkflowArtifactGCTask.
fn collector(workflow: &kube::api::DynamicObject, task: &Value, account: &str) -> Value {
    let mut collector = pod(workflow, "start");
    collector["metadata"] = json!({
        "name": format!("{}-artgc-wfcomp-2166136261", workflow.name_any()),
        "labels": {
            "workflows.argoproj.io/workflow": workflow.name_any(), "workflows.argoproj.io/component": "artifact-gc",
            "workflows.argoproj.io/completed": "false"},
        "annotations": {"workflows.argoproj.io/artifact-gc-strategy": "OnWorkflowCompletion"},
        "ownerReferences": [{
            "apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowArtifactGCTask", "name": task["metadata"]["name"],
            "uid": "4a22ac2d-26c4-4194-b2bb-804ae0a41192", "controller": true, "blockOwnerDeletion": true}],
    });
    collector["spec"] = json!({
        "restartPolicy": "OnFailure", "serviceAccountName": account,
        "containers": [{"name": "main", "image": "argoexec", "args": ["artifact", "delete"]}]});
    collector
}

#[test]
fn a_pod_that_deletes_artifacts_gets_no_identity_whatever_it_names() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = create(&d.alice, &inline()).await?;
        let step = d.argo.create_step_pod(&workflow, "start").await?;
        d.ns.runs_as(&step, ALICE).await?;
        let task = json!({"metadata": {"name": format!("{}-artgc-wfcomp-2166136261-0", workflow.name_any())}});
        // Alice's account, for artifacts that anyone with the right to write the task could choose.
        let hers = collector(&workflow, &task, account_of(&step));
        refused(d.argo.create_pod(hers).await)?
            .with_code(403)?
            .with_message(account_of(&step))?;
        let ordinary = d
            .argo
            .create_pod(collector(&workflow, &task, "default"))
            .await?;
        ensure!(account_of(&ordinary) == "default", "{:?}", ordinary.spec);
        // Mallory is not Argo.
        let mut planted = collector(&workflow, &task, "default");
        planted["metadata"]["name"] = json!("planted");
        let planted: Pod = serde_json::from_value(planted)?;
        refused(d.mallory.create::<Pod>(planted).await)?
            .with_code(403)?
            .with_message("workflows.argoproj.io/workflow")?;
        Ok(())
    })
}

//! Results of Argo steps: only the pod of a step may write its result, with the token bound to that pod.

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    cluster::{manifests, person::Person, refusal::refused},
    controllers::replayed_argo::{create, inline, kind, patch, result_of},
    eventually::eventually,
    namespace::{account_of, with_namespace},
};
use serde_json::{Value, json};

use super::{Deployed, deployed};

const RESULT: &str = "WorkflowTaskResult";
const TASK_SET: &str = "WorkflowTaskSet";

impl Deployed {
    /// The pod of a step, and its account with the right to write results, which Argo's executor needs.
    pub(super) async fn step(&self, workflow: &DynamicObject, step: &str) -> Result<(Pod, Person)> {
        let pod = self.argo.create_step_pod(workflow, step).await?;
        self.ns.grant_role(&pod, "namesake-argo-task").await?;
        let task = self.ns.as_pod(&pod).await?;
        let result: DynamicObject = serde_json::from_value(result_of(workflow, &pod))?;
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        eventually("its account may write results", async || {
            let results = task.objects(&kind(RESULT));
            results.create(&dry_run, &result).await?;
            Ok(())
        })
        .await?;
        Ok((pod, task))
    }
}

fn outputs(value: &str) -> Value {
    json!({"phase": "Succeeded", "outputs": {"parameters": [{"name": "task-id", "value": value}]}})
}

async fn refuses(somebody: &Person, result: &Value) -> Result<()> {
    refused(create(somebody, result).await)?
        .with_code(403)?
        .with_message("guard.namesake.dev")?
        .with_message(&somebody.name)?;
    Ok(())
}

#[test]
fn only_its_own_pod_creates_the_result_of_a_step() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let (pod, task) = d.step(&workflow, "start").await?;
        d.ns.runs_as(&pod, ALICE).await?;
        let result = result_of(&workflow, &pod);
        // Other pods of alice, of this Workflow and of another one; bob's pod; and somebody with the right and no pod.
        let (_, other_step) = d.step(&workflow, "end").await?;
        let (_, other_run) = d.step(&d.started().await?, "start").await?;
        let bobs = create(&d.bob, &inline()).await?;
        let (bobs_pod, bobs_task) = d.step(&bobs, "start").await?;
        d.ns.runs_as(&bobs_pod, BOB).await?;
        let account = account_of(&pod);
        let cluster = d.ns.stack.cluster();
        let minted = cluster
            .service_account(&d.ns.name, account, &d.ns.name)
            .await?;
        for somebody in [
            &d.mallory,
            &d.alice,
            &bobs_task,
            &other_step,
            &other_run,
            &minted,
        ] {
            refuses(somebody, &result).await?;
        }
        // Its own pod may write it, and only its own result.
        let mut of_nobody = result.clone();
        of_nobody["metadata"]["ownerReferences"] = json!([]);
        refuses(&task, &of_nobody).await?;
        let mut of_another = result.clone();
        of_another["metadata"]["labels"]["workflows.argoproj.io/workflow"] = json!(bobs.name_any());
        refuses(&task, &of_another).await?;
        create(&task, &result).await?;
        Ok(())
    })
}

#[test]
fn only_its_own_pod_changes_the_result_of_a_step() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let (pod, task) = d.step(&workflow, "start").await?;
        let result = result_of(&workflow, &pod);
        let name = create(&task, &result).await?.name_any();
        let (_, other_step) = d.step(&workflow, "end").await?;
        for somebody in [&d.mallory, &d.alice, &d.bob, &other_step] {
            refused(patch(somebody, RESULT, &name, outputs("$(id)")).await)?
                .with_code(403)?
                .with_message("namesake-task-results")?
                .with_message(&somebody.name)?;
        }
        // Like the executor: the outputs, and then the mark that the result is complete.
        patch(&task, RESULT, &name, outputs("7")).await?;
        let all = json!({"metadata": {"labels": {"workflows.argoproj.io/report-outputs-completed": "true"}}});
        patch(&task, RESULT, &name, all).await?;
        // Not even its pod can give it to another pod.
        let other = json!({"metadata": {"labels": {"workflows.argoproj.io/workflow": "another"}}});
        refused(patch(&task, RESULT, &name, other).await)?.with_code(403)?;
        Ok(())
    })
}

#[test]
fn only_argo_writes_what_an_agent_runs() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let name = workflow.name_any();
        let task_set = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": TASK_SET,
            "metadata": {"name": name}, "spec": {"tasks": {}}});
        for somebody in [&d.mallory, &d.alice, &d.bob] {
            refused(create(somebody, &task_set).await)?
                .with_code(403)?
                .with_message("guard.namesake.dev")?
                .with_message(&somebody.name)?;
        }
        create(&d.argo.0, &task_set).await?;
        let tasks = json!({"spec": {"tasks": {"n": {"http": {"url": "https://mallory.example"}}}}});
        let nodes = json!({"status": {"nodes": {"n": outputs("$(id)")}}});
        for somebody in [&d.mallory, &d.alice, &d.bob] {
            refused(patch(somebody, TASK_SET, &name, tasks.clone()).await)?
                .with_code(403)?
                .with_message(&somebody.name)?;
        }
        // Somebody with the right to write the status, and without a pod of the Workflow.
        let admin = d.ns.admin().await?;
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "agent"},
            "rules": [{"apiGroups": ["argoproj.io"], "resources": ["workflowtasksets/status"], "verbs": ["patch"]}]});
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "agent"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "agent"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": d.mallory.name}]});
        for object in [role, binding] {
            manifests::apply(admin.client(), &object, &d.ns.name, false).await?;
        }
        eventually("the guard refuses it, no longer RBAC", async || {
            let sets = d.mallory.objects(&kind(TASK_SET));
            let nodes = Patch::Merge(nodes.clone());
            let status = sets
                .patch_status(&name, &PatchParams::default(), &nodes)
                .await;
            refused(status)?
                .with_code(403)?
                .with_message("guard.namesake.dev")?
                .with_message(&d.mallory.name)
        })
        .await?;
        patch(&d.argo.0, TASK_SET, &name, tasks).await?;
        Ok(())
    })
}

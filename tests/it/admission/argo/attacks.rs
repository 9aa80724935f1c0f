//! Attacks by mallory, who has `edit` in the namespace, against the real controller.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, api::DynamicObject};
use namesake_sandbox::kubernetes::users::{BOB, MALLORY};
use namesake_tests::{
    cluster::refusal::refused,
    controllers::{
        argo::{ArgoNamespace, scripts, with_real_argo},
        replayed_argo::{create, patch},
    },
    eventually::eventually,
    namespace::account_of,
};
use serde_json::{Value, json};

/// Bob's Workflow, which waits for his approval, and then deploys.
fn approval() -> Result<Value> {
    let mut flow = scripts("Workflow", "release", &[("deploy", "true")]);
    let templates = flow["spec"]["templates"]
        .as_array_mut()
        .context("no list")?;
    let step = |name: &str| json!([{"name": name, "template": name}]);
    templates.push(json!({"name": "approve", "suspend": {}}));
    templates.push(json!({"name": "all", "steps": [step("approve"), step("deploy")]}));
    flow["spec"]["entrypoint"] = json!("all");
    Ok(flow)
}

/// Waits until the node of this template runs, and returns its ID.
async fn node_of(argo: &ArgoNamespace, workflow: &str, template: &str) -> Result<String> {
    eventually(&format!("{workflow} is at {template}"), async || {
        let workflow: DynamicObject = argo.workflow(workflow).await?;
        let nodes = workflow.data["status"]["nodes"]
            .as_object()
            .context("no nodes")?;
        let is_there =
            |node: &&Value| node["templateName"] == template && node["phase"] == "Running";
        let node = nodes.values().find(is_there).context("not yet")?;
        Ok(node["id"].as_str().context("no id")?.to_owned())
    })
    .await
}

/// Checks that only bob's pods have the keys of his Workflow.
async fn has_only_bobs_pods(argo: &ArgoNamespace, workflow: &str) -> Result<()> {
    for pod in argo.pods_of(workflow).await? {
        let whose = argo.ns.runs_as(&pod, BOB).await;
        whose.with_context(|| format!("{} counts as a pod of {workflow}", pod.name_any()))?;
    }
    Ok(())
}

#[test]
fn a_pod_of_mallorys_workflow_is_never_taken_for_a_node_of_bobs() -> Result<()> {
    with_real_argo(|argo| async move {
        let (bob, mallory) = (argo.ns.bob().await?, argo.ns.mallory().await?);
        create(&bob, &approval()?).await?;
        let node = node_of(&argo, "release", "approve").await?;
        // Her Workflow has the name of his node, and its pods name his Workflow.
        let label = "workflows.argoproj.io/workflow";
        let mut hers = scripts("Workflow", &node, &[("main", "true")]);
        hers["spec"]["podMetadata"] = json!({"labels": {label: "release"}});
        let plain = create(&mallory, &hers).await;
        // The same with a templated key, which Argo renders.
        let mut rendered = scripts("Workflow", &node, &[("main", "true")]);
        rendered["metadata"]["name"] = json!(format!("{node}x"));
        rendered["spec"]["arguments"] = json!({"parameters": [{"name": "key", "value": label}]});
        rendered["spec"]["podMetadata"] =
            json!({"labels": {"{{workflow.parameters.key}}": "release"}});
        let rendered = create(&mallory, &rendered).await;
        for made in [plain, rendered].into_iter().flatten() {
            // If it is accepted, it ends without a pod, or with a pod that is hers.
            let name = made.name_any();
            eventually("mallory's Workflow has ended", async || {
                let phase = argo.workflow(&name).await?.data["status"]["phase"].take();
                ensure!(
                    ["Error", "Failed", "Succeeded"]
                        .iter()
                        .any(|it| phase == **it),
                    "{phase}"
                );
                Ok(())
            })
            .await?;
        }
        has_only_bobs_pods(&argo, "release").await?;
        let release = argo.workflow("release").await?;
        ensure!(
            release.data["status"]["nodes"][&node]["phase"] == "Running",
            "mallory has approved for bob: {}",
            release.data["status"]
        );
        argo.argo(BOB, &["resume", "release"])
            .await?
            .expect_success()?;
        argo.wait_for_phase("release", "Succeeded").await?;
        argo.check_all_ran_as("release", 1, BOB).await
    })
}

#[test]
fn mallory_cannot_make_argo_execute_a_command_in_bobs_pod() -> Result<()> {
    with_real_argo(|argo| async move {
        let (bob, mallory) = (argo.ns.bob().await?, argo.ns.mallory().await?);
        create(&bob, &scripts("Workflow", "long", &[("main", "sleep 600")])).await?;
        let pod = argo.wait_for_running_pod("long", "long").await?;
        ensure!(account_of(&pod) == argo.ns.name_for(BOB), "not bob's");
        let kill = json!({"metadata": {"annotations": {
            "workflows.argoproj.io/kill-cmd-main": r#"["sh", "-c", "touch /var/run/argo/owned"]"#}}});
        let written = mallory.patch::<Pod>(&pod.name_any(), kill).await;
        refused(written)?.with_code(403)?.with_message(MALLORY)?;
        let done = json!({"metadata": {"labels": {"workflows.argoproj.io/completed": "true"}}});
        refused(mallory.patch::<Pod>(&pod.name_any(), done).await)?.with_code(403)?;
        // She may terminate it, and it ends.
        let end = json!({"spec": {"shutdown": "Terminate"}});
        patch(&mallory, "Workflow", "long", end).await?;
        argo.wait_for_phase("long", "Failed").await?;
        Ok(())
    })
}

#[test]
fn a_workflow_that_mallory_gives_kill_commands_is_refused_or_gets_no_pod() -> Result<()> {
    with_real_argo(|argo| async move {
        let mallory = argo.ns.mallory().await?;
        let key = "workflows.argoproj.io/kill-cmd-main";
        let command = r#"["sh", "-c", "true"]"#;
        let mut plain = scripts("Workflow", "plain", &[("main", "sleep 600")]);
        plain["spec"]["podMetadata"] = json!({"annotations": {key: command}});
        refused(create(&mallory, &plain).await)?
            .with_code(403)?
            .with_message(key)?
            .with_message(MALLORY)?;
        // The same with a templated key, which Argo renders: it is not visible in the Workflow, only in the pod.
        let mut rendered = scripts("Workflow", "rendered", &[("main", "sleep 600")]);
        rendered["spec"]["arguments"] = json!({"parameters": [{"name": "key", "value": key}]});
        rendered["spec"]["podMetadata"] =
            json!({"annotations": {"{{workflow.parameters.key}}": command}});
        create(&mallory, &rendered).await?;
        let ended = argo.wait_for_phase("rendered", "Error").await?;
        let message = ended.data["status"].to_string();
        ensure!(message.contains("ForgedController"), "{message}");
        let pods = argo.ns.pods().await?;
        ensure!(pods.is_empty(), "{} pods", pods.len());
        Ok(())
    })
}

//! The keys by which Argo recognizes a pod as a node of a Workflow: they must be true when the pod is created, and cannot change.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use namesake_sandbox::kubernetes::users::BOB;
use namesake_tests::{
    cluster::refusal::refused,
    controllers::replayed_argo::{create, inline, pod, trigger},
    namespace::with_namespace,
};
use serde_json::{Value, json};

use super::deployed;

const LABEL: &str = "workflows.argoproj.io/workflow";
const NODE_ID: &str = "workflows.argoproj.io/node-id";

#[test]
fn only_argo_changes_the_keys_of_bobs_pod_that_argo_acts_on() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = create(&d.bob, &inline()).await?;
        let pod = d.argo.create_step_pod(&workflow, "start").await?;
        d.ns.runs_as(&pod, BOB).await?;
        let name = pod.name_any();
        let labels = |key: &str, value: Value| json!({"metadata": {"labels": {key: value}}});
        let annotations =
            |key: &str, value: Value| json!({"metadata": {"annotations": {key: value}}});
        let completed = labels("workflows.argoproj.io/completed", json!("true"));
        for change in [
            completed.clone(),
            labels(LABEL, json!("mallorys")),
            labels(LABEL, Value::Null),
            labels("workflows.argoproj.io/on-exit", json!("true")),
            annotations(NODE_ID, Value::Null),
            annotations("workflows.argoproj.io/kill-cmd-main", json!(r#"["sh"]"#)),
        ] {
            for person in [&d.mallory, &d.alice, &d.bob] {
                refused(person.patch::<Pod>(&name, change.clone()).await)?
                    .with_code(403)?
                    .with_message("workflows.argoproj.io/")?
                    .with_message(&person.name)?;
            }
        }
        // Keys that Argo does not read can be changed by anyone with the right.
        d.mallory
            .patch::<Pod>(&name, annotations("note", json!("x")))
            .await?;
        d.argo.0.patch::<Pod>(&name, completed).await?;
        Ok(())
    })
}

#[test]
fn a_pod_of_mallorys_workflow_is_not_a_node_of_bobs() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let bobs = create(&d.bob, &inline()).await?;
        // The name of a node of bob's run.
        let node = pod(&bobs, "start")["metadata"]["annotations"][NODE_ID].take();
        let mut named = inline();
        named["metadata"] = json!({"name": node});
        refused(create(&d.mallory, &named).await)?
            .with_code(403)?
            .with_message("NodeNameCollision")?;
        let hers = create(&d.mallory, &inline()).await?;
        let made = pod(&hers, "start");
        let changed = |map: &str, key: &str, value: &Value| {
            let mut made = made.clone();
            made["metadata"][map][key] = value.clone();
            made
        };
        for planted in [
            changed("labels", LABEL, &json!(bobs.name_any())),
            changed("annotations", NODE_ID, &node),
            changed(
                "annotations",
                "workflows.argoproj.io/kill-cmd-main",
                &json!("[]"),
            ),
        ] {
            refused(d.argo.create_pod(planted).await)?
                .with_code(403)?
                .with_message("podMetadata")?;
        }
        d.argo.create_pod(made).await?;
        Ok(())
    })
}

#[test]
fn stored_templates_in_a_new_workflow_with_a_reference_are_removed() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let evil = json!({"name": "start", "container": {"image": "evil"}});
        let mut from = trigger();
        from["status"] = json!({"storedTemplates": {"namespaced/trainflow/start": evil}});
        let made = create(&d.bob, &from).await?;
        let status = &made.data["status"];
        ensure!(status["storedTemplates"].is_null(), "{status}");
        from["status"]["storedWorkflowTemplateSpec"] = json!({"templates": [evil]});
        refused(create(&d.bob, &from).await)?
            .with_code(403)?
            .with_message("status")?;
        Ok(())
    })
}

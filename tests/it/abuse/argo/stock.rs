//! Argo at moments that cannot be timed with its real controller, which runs in `tests/it/admission/argo`.

use anyhow::{Result, ensure};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, PostParams},
};
use namesake_api::names::STAMP_ANNOTATION;
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    cluster::{manifests, person::Person, refusal::refused},
    controllers::replayed_argo::{FLOW, create, kind, patch, template, trigger},
    eventually::eventually,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::json;

use super::deployed;

#[test]
fn deploying_alices_template_again_does_not_affect_running_workflows() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let next = d.swapped_by(&d.alice).await?;
        d.ns.runs_as(&d.argo.create_step_pod(&workflow, "start").await?, ALICE)
            .await?;
        // A Workflow that starts now may still get the previous version, if Argo's cache is stale.
        for spec in [&template()["spec"], &next] {
            let workflow = create(&d.bob, &trigger()).await?;
            let workflow = d.argo.store_spec(&workflow, spec).await?;
            d.ns.runs_as(&d.argo.create_step_pod(&workflow, "end").await?, ALICE)
                .await?;
        }
        Ok(())
    })
}

#[test]
fn the_starter_of_anothers_workflow_can_stop_suspend_and_resume_it() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let name = workflow.name_any();
        for value in [json!(true), json!(null), json!(true)] {
            patch(
                &d.bob,
                "Workflow",
                &name,
                json!({"spec": {"suspend": value}}),
            )
            .await?;
        }
        // Mallory may stop it, but not resume it.
        let resume = json!({"spec": {"suspend": null}});
        refused(patch(&d.mallory, "Workflow", &name, resume).await)?
            .with_code(403)?
            .with_message(ALICE)?;
        patch(
            &d.mallory,
            "Workflow",
            &name,
            json!({"spec": {"shutdown": "Terminate"}}),
        )
        .await?;
        Ok(())
    })
}

#[test]
fn a_cluster_workflow_template_has_a_deployer_too() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let (admin, alice) = (
            d.ns.admin().await?,
            alice_with_cluster_templates(&d.ns).await?,
        );
        let name = format!("{FLOW}-{}", d.ns.name);
        let mut run = trigger();
        run["spec"]["workflowTemplateRef"] = json!({"name": name, "clusterScope": true});
        let mut of_all = template();
        of_all["kind"] = json!("ClusterWorkflowTemplate");
        of_all["metadata"]["name"] = json!(name);
        let of_all: DynamicObject = serde_json::from_value(of_all)?;
        let params = PostParams::default();
        let made = cluster_templates(&admin).create(&params, &of_all).await?;
        ensure!(
            made.annotations().contains_key(STAMP_ANNOTATION),
            "no stamp: {:?}",
            made.annotations()
        );
        // It would run as its deployer, but the rules do not match this admin.
        refused(create(&d.bob, &run).await)?.with_code(403)?;
        cluster_templates(&admin)
            .delete(&name, &DeleteParams::default())
            .await?;
        cluster_templates(&alice).create(&params, &of_all).await?;
        let workflow = create(&d.bob, &run).await?;
        refused(d.argo.create_step_pod(&workflow, "start").await)?
            .with_code(503)?
            .with_message(&name)?;
        let workflow = d.argo.store_spec(&workflow, &template()["spec"]).await?;
        d.ns.runs_as(&d.argo.create_step_pod(&workflow, "start").await?, ALICE)
            .await?;
        // Bob only references it and changes nothing; a stored spec that is not alice's runs as nobody.
        let workflow = create(&d.bob, &run).await?;
        let mut other = template()["spec"].take();
        other["podMetadata"]["annotations"]["a"] = json!("b");
        let workflow = d.argo.store_spec(&workflow, &other).await?;
        refused(d.argo.create_step_pod(&workflow, "start").await)?
            .with_code(403)?
            .with_message("no identity")?;
        cluster_templates(&admin)
            .delete(&name, &DeleteParams::default())
            .await?;
        Ok(())
    })
}

fn cluster_templates(person: &Person) -> Api<DynamicObject> {
    Api::all_with(person.client().clone(), &kind("ClusterWorkflowTemplate"))
}

/// Alice, with the right to deploy templates for the whole cluster.
async fn alice_with_cluster_templates(ns: &TestNamespace) -> Result<Person> {
    let group = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": "deploys-for-all"},
        "rules": [{"apiGroups": ["argoproj.io"], "resources": ["clusterworkflowtemplates"], "verbs": ["create"]}]});
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "deploys-for-all"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "deploys-for-all"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": ALICE}]});
    let admin = ns.admin().await?;
    for object in [role, binding] {
        manifests::apply(admin.client(), &object, &ns.name, false).await?;
    }
    let alice = ns.alice().await?;
    let mut probe = template();
    probe["kind"] = json!("ClusterWorkflowTemplate");
    probe["metadata"]["name"] = json!(format!("probe-{}", ns.name));
    let probe: DynamicObject = serde_json::from_value(probe)?;
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    eventually("alice may deploy for all", async || {
        cluster_templates(&alice).create(&dry_run, &probe).await?;
        Ok(())
    })
    .await?;
    Ok(alice)
}

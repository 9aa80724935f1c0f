//! What stock Metaflow and Argo do, step by step.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, PostParams},
};
use namesake_api::names::STAMP_ANNOTATION;
use namesake_sandbox::users::{ALICE, BOB};
use namesake_tests::{
    argo::{FLOW, creates, inline, kind, owner, patches, pod, template, trigger},
    eventually::eventually,
    manifests,
    namespace::{TestNamespace, with_namespace},
    person::Person,
    refused::refused,
};
use serde_json::json;

use super::deployed;

#[test]
fn a_flow_that_bob_starts_runs_as_alice_who_deployed_it() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        // The identity is asked for when the template is deployed.
        let identities = d.ns.identities().await?;
        ensure!(
            identities.len() == 1 && identities[0].spec.user == ALICE,
            "{identities:?}"
        );
        let workflow = d.started().await?;
        for step in ["start", "score", "join", "end", "error-msg-capture-hook"] {
            let pod = d.argo.makes_pod(&workflow, step).await?;
            d.ns.runs_as(&pod, ALICE).await?;
            let completed =
                json!({"metadata": {"labels": {"workflows.argoproj.io/completed": "true"}}});
            d.argo.0.patches::<Pod>(&pod.name_any(), completed).await?;
        }
        let done = json!({"status": {"phase": "Succeeded"}, "metadata": {"labels": {"workflows.argoproj.io/completed": "true"}}});
        d.argo.updates(&workflow, done).await?;
        Ok(())
    })
}

#[test]
fn a_resource_pod_of_a_parallel_step_names_no_account_and_runs_as_alice() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let mut resource = pod(&workflow, "start");
        resource["spec"]
            .as_object_mut()
            .map(|spec| spec.remove("serviceAccountName"));
        let pod = d.argo.makes(resource).await?;
        d.ns.runs_as(&pod, ALICE).await?;
        Ok(())
    })
}

#[test]
fn what_the_schedule_starts_runs_as_who_deployed_the_flow() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let cron = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": FLOW},
            "spec": {"schedules": ["0 0 * * *"], "suspend": false, "workflowSpec": {"workflowTemplateRef": {"name": FLOW}}}});
        let cron = creates(&d.alice, &cron).await?;
        let mut made = trigger();
        made["metadata"] = json!({
            "name": format!("{FLOW}-1764115200"), "labels": {"workflows.argoproj.io/cron-workflow": FLOW},
            "annotations": {"workflows.argoproj.io/scheduled-time": "2026-11-26T00:00:00Z"},
            "ownerReferences": [owner(&cron, "CronWorkflow")]});
        made["spec"] = json!({"workflowTemplateRef": {"name": FLOW}, "arguments": {}});
        let workflow = creates(&d.argo.0, &made).await?;
        refused(d.argo.makes_pod(&workflow, "start").await)?.with(503)?;
        let workflow = d.argo.stores(&workflow, &template()["spec"]).await?;
        d.ns.runs_as(&d.argo.makes_pod(&workflow, "start").await?, ALICE)
            .await?;
        // Argo writes down when it ran; anybody may suspend it, and only alice lets it go on.
        let used = json!({"metadata": {"annotations": {"cronworkflows.argoproj.io/last-used-schedule": "x"}}, "status": {"active": []}});
        patches(&d.argo.0, "CronWorkflow", FLOW, used).await?;
        let suspend = |value: bool| json!({"spec": {"suspend": value}});
        patches(&d.bob, "CronWorkflow", FLOW, suspend(true)).await?;
        refused(patches(&d.bob, "CronWorkflow", FLOW, suspend(false)).await)?
            .with(403)?
            .saying(ALICE)?;
        patches(&d.alice, "CronWorkflow", FLOW, suspend(false)).await?;
        Ok(())
    })
}

#[test]
fn an_account_that_is_no_user_may_start_what_alice_deployed() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let sensor =
            d.ns.person("system:serviceaccount:argo-events:sensor")
                .await?;
        let mut event = trigger();
        event["metadata"]["annotations"] = json!({"metaflow/triggered_by": "[]"});
        event["spec"]["arguments"] = json!({"parameters": [{"name": "event", "value": "{}"}]});
        let workflow = creates(&sensor, &event).await?;
        let workflow = d.argo.stores(&workflow, &template()["spec"]).await?;
        d.ns.runs_as(&d.argo.makes_pod(&workflow, "start").await?, ALICE)
            .await?;
        // What it makes of its own is nobody's.
        refused(creates(&sensor, &inline()).await)?.with(403)?;
        Ok(())
    })
}

#[test]
fn a_workflow_with_a_spec_of_its_own_runs_as_who_made_it() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = creates(&d.bob, &inline()).await?;
        d.ns.runs_as(&d.argo.makes_pod(&workflow, "start").await?, BOB)
            .await?;
        // Argo fills in its defaults, and the next pod is still bob's.
        let filled = d.argo.updates(&workflow, json!({"spec": {"securityContext": {"runAsUser": 1000}}, "status": {"phase": "Running"}})).await?;
        d.ns.runs_as(&d.argo.makes_pod(&filled, "end").await?, BOB)
            .await?;
        Ok(())
    })
}

#[test]
fn a_template_that_alice_deploys_again_does_not_disturb_what_runs() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let next = d.swapped_by(&d.alice).await?;
        d.ns.runs_as(&d.argo.makes_pod(&workflow, "start").await?, ALICE)
            .await?;
        // What starts now may still get the version before, if Argo has not seen the new one.
        for spec in [&template()["spec"], &next] {
            let workflow = creates(&d.bob, &trigger()).await?;
            let workflow = d.argo.stores(&workflow, spec).await?;
            d.ns.runs_as(&d.argo.makes_pod(&workflow, "end").await?, ALICE)
                .await?;
        }
        Ok(())
    })
}

#[test]
fn who_started_a_run_of_another_may_stop_suspend_and_resume_it() -> Result<()> {
    with_namespace(|ns| async move {
        let d = deployed(ns).await?;
        let workflow = d.started().await?;
        let name = workflow.name_any();
        for value in [json!(true), json!(null), json!(true)] {
            patches(
                &d.bob,
                "Workflow",
                &name,
                json!({"spec": {"suspend": value}}),
            )
            .await?;
        }
        // Mallory may stop it, and not let it go on.
        let resume = json!({"spec": {"suspend": null}});
        refused(patches(&d.mallory, "Workflow", &name, resume).await)?
            .with(403)?
            .saying(ALICE)?;
        patches(
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
        let (admin, alice) = (d.ns.admin().await?, cluster_wide(&d.ns).await?);
        let name = format!("{FLOW}-{}", d.ns.name);
        let mut run = trigger();
        run["spec"]["workflowTemplateRef"] = json!({"name": name, "clusterScope": true});
        let mut of_all = template();
        of_all["kind"] = json!("ClusterWorkflowTemplate");
        of_all["metadata"]["name"] = json!(name);
        let of_all: DynamicObject = serde_json::from_value(of_all)?;
        let params = PostParams::default();
        let made = everywhere(&admin).create(&params, &of_all).await?;
        ensure!(
            made.annotations().contains_key(STAMP_ANNOTATION),
            "no stamp: {:?}",
            made.annotations()
        );
        // The admin who deployed it is no user of these rules, and it would run as who deployed it.
        refused(creates(&d.bob, &run).await)?.with(403)?;
        everywhere(&admin)
            .delete(&name, &DeleteParams::default())
            .await?;
        everywhere(&alice).create(&params, &of_all).await?;
        let workflow = creates(&d.bob, &run).await?;
        refused(d.argo.makes_pod(&workflow, "start").await)?
            .with(503)?
            .saying(&name)?;
        let workflow = d.argo.stores(&workflow, &template()["spec"]).await?;
        d.ns.runs_as(&d.argo.makes_pod(&workflow, "start").await?, ALICE)
            .await?;
        // Bob, who only names it, changes nothing of it; what is stored and is not alice's runs as nobody.
        let workflow = creates(&d.bob, &run).await?;
        let mut other = template()["spec"].take();
        other["podMetadata"]["annotations"]["a"] = json!("b");
        let workflow = d.argo.stores(&workflow, &other).await?;
        refused(d.argo.makes_pod(&workflow, "start").await)?
            .with(403)?
            .saying("as nobody")?;
        everywhere(&admin)
            .delete(&name, &DeleteParams::default())
            .await?;
        Ok(())
    })
}

fn everywhere(person: &Person) -> Api<DynamicObject> {
    Api::all_with(person.client().clone(), &kind("ClusterWorkflowTemplate"))
}

/// Alice, whom an admin lets deploy templates for the whole cluster.
async fn cluster_wide(ns: &TestNamespace) -> Result<Person> {
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
        everywhere(&alice).create(&dry_run, &probe).await?;
        Ok(())
    })
    .await?;
    Ok(alice)
}

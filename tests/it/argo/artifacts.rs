//! The pods in which Argo deletes the artifacts of a Workflow that has ended.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use namesake_api::names::RESOLUTION_ANNOTATION;
use namesake_sandbox::users::{ADMIN, ALICE};
use namesake_tests::{
    argo::creates,
    eventually::within,
    manifests,
    namespace::account_of,
    real_argo::{ArgoNamespace, PATIENCE, scripts, with_real_argo},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The account of a pod that names none.
const DEFAULT: &str = "default";

/// Takes every artifact that is sent; answers its URL.
async fn storage() -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let router = axum::Router::new().fallback(|| async { "" });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}/artifact"))
}

/// What Argo recommends for the account of such pods.
async fn may_collect(argo: &ArgoNamespace, account: &str) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let rule = |resource: &str, verbs: &[&str]| json!({"apiGroups": ["argoproj.io"], "resources": [resource], "verbs": verbs});
    let role = json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": "artifactgc"},
        "rules": [rule("workflowartifactgctasks", &["list", "watch"]), rule("workflowartifactgctasks/status", &["patch"])]});
    let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": "artifactgc"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "artifactgc"},
        "subjects": [{"kind": "ServiceAccount", "name": account}]});
    let control_plane = &argo.ns.stack.cluster().control_plane;
    let admin = control_plane.client(ADMIN).await?;
    for object in [role, binding] {
        manifests::apply(&admin, &object, &argo.ns.name, false).await?;
    }
    Ok(())
}

#[test]
fn a_pod_that_collects_alices_artifacts_runs_as_the_default_account_and_not_as_alice() -> Result<()>
{
    with_real_argo(|argo| async move {
        may_collect(&argo, DEFAULT).await?;
        let alice = argo.ns.alice().await?;
        let mut flow = scripts("Workflow", "leaves", &[("main", "echo data >/mnt/out/x")]);
        flow["spec"]["artifactGC"] =
            json!({"strategy": "OnWorkflowCompletion", "forceFinalizerRemoval": true});
        flow["spec"]["volumes"] = json!([{"name": "out", "emptyDir": {}}]);
        let template = &mut flow["spec"]["templates"][0];
        template["container"]["volumeMounts"] = json!([{"name": "out", "mountPath": "/mnt/out"}]);
        let artifact = json!({"name": "x", "path": "/mnt/out/x", "archive": {"none": {}}, "http": {"url": storage().await?}});
        template["outputs"] = json!({"artifacts": [artifact]});
        creates(&alice, &flow).await?;
        argo.reaches("leaves", "Succeeded").await?;
        let collects = |pod: &&Pod| {
            let component = pod.labels().get("workflows.argoproj.io/component");
            component.map(String::as_str) == Some("artifact-gc")
        };
        let pod = within(PATIENCE, "a pod collects the artifacts", async || {
            let pods = argo.ns.pods().await?;
            let pod = pods.iter().find(collects).cloned().context("none")?;
            let status = serde_json::to_value(&pod.status)?;
            ensure!(
                status
                    .pointer("/containerStatuses/0/state/running")
                    .is_some()
                    || status["phase"] == "Succeeded",
                "{status}"
            );
            Ok(pod)
        })
        .await?;
        ensure!(account_of(&pod) == DEFAULT, "{}", account_of(&pod));
        ensure!(!pod.annotations().contains_key(RESOLUTION_ANNOTATION));
        // The artifact's driver cannot delete; that the executor says so, with its own rights, is the end of it.
        let told = within(PATIENCE, "the executor reports", async || {
            let workflow = argo.workflow("leaves").await?;
            let conditions = workflow.data["status"]["conditions"].clone();
            let all = conditions.as_array().context("no conditions")?;
            let told = all.iter().find(|it| it["type"] == "ArtifactGCError");
            told.cloned().with_context(|| conditions.to_string())
        })
        .await?;
        ensure!(told["message"] != Value::Null, "{told}");
        for pod in argo
            .pods_of("leaves")
            .await?
            .iter()
            .filter(|pod| !collects(pod))
        {
            argo.ns.runs_as(pod, ALICE).await?;
        }
        Ok(())
    })
}

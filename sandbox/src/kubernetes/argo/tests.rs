use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::{core::v1::Pod, rbac::v1::RoleBinding};
use kube::{
    Api, Client, ResourceExt,
    api::{
        ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
    },
};
use serde_json::{Value, json};

use super::*;
use crate::{
    ControlPlane, Node, NodeOptions, WorkFolder,
    kubernetes::users::{ADMIN, ALICE},
};

const LIMIT: Duration = Duration::from_secs(120);

fn workflows(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Workflow");
    Api::namespaced_with(client.clone(), "lab", &ApiResource::from_gvk(&kind))
}

async fn submit(client: &Client, spec: Value) -> String {
    let workflow = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"generateName": "w-"}, "spec": spec});
    let workflow = serde_json::from_value(workflow).unwrap();
    let made = workflows(client)
        .create(&PostParams::default(), &workflow)
        .await
        .unwrap();
    made.name_any()
}

/// Waits until a Workflow is in this phase.
async fn reaches(client: &Client, name: &str, phase: &str) -> Value {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let status = workflows(client).get(name).await.unwrap().data["status"].take();
        if status["phase"] == phase {
            return status;
        }
        let is_over = matches!(
            status["phase"].as_str(),
            Some("Failed" | "Error" | "Succeeded")
        );
        assert!(
            !is_over && tokio::time::Instant::now() < deadline,
            "{name} does not reach {phase}: {status:#}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn pods_of(client: &Client, workflow: &str) -> Vec<Pod> {
    let label = format!("workflows.argoproj.io/workflow={workflow}");
    let pods: Api<Pod> = Api::namespaced(client.clone(), "lab");
    let params = ListParams::default().labels(&label);
    pods.list(&params).await.unwrap().items
}

/// One control plane for all checks: it takes some seconds to start.
#[tokio::test]
async fn argos_own_controller_and_executor_run_workflows_on_the_node() {
    let programs = tokio::task::spawn_blocking(|| ArgoPrograms::find_or_build(&mut |_| ()));
    let programs = programs.await.unwrap().unwrap();
    let folder = WorkFolder::create().unwrap();
    let control_plane = ControlPlane::start(&folder).await.unwrap();
    control_plane.namespace("lab", &[]).await.unwrap();
    let options = NodeOptions {
        images: [("argoexec".to_owned(), programs.executor())].into(),
        isolated: BTreeSet::from(["argoexec".to_owned()]),
        ..NodeOptions::default()
    };
    let node = Node::start(&control_plane, &folder, options).await.unwrap();
    let argo = ArgoController::start(&control_plane, &folder, &programs)
        .await
        .unwrap();
    let admin = control_plane.client(ADMIN).await.unwrap();
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "executor"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": EXECUTOR_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "lab"}],
    }))
    .unwrap();
    Api::namespaced(admin, "lab")
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();
    let alice = control_plane.client(ALICE).await.unwrap();

    tokio::join!(
        a_step_passes_its_output_to_the_next(&alice),
        a_stopped_workflow_stops_its_container_by_exec_and_runs_its_exit_handler(&alice),
    );
    argo.stop().await;
    node.stop().await;
    control_plane.stop().await;
}

async fn a_step_passes_its_output_to_the_next(alice: &Client) {
    let container = |script: &str| json!({"image": "x", "command": ["sh", "-c"], "args": [script]});
    let name = submit(alice, json!({
        "entrypoint": "both",
        "templates": [
            {"name": "both", "steps": [
                [{"name": "says", "template": "says"}],
                [{"name": "hears", "template": "hears", "arguments": {"parameters": [
                    {"name": "word", "value": "{{steps.says.outputs.parameters.word}}"}]}}]]},
            {"name": "says", "container": container("echo -n hello >/tmp/word"),
             "outputs": {"parameters": [{"name": "word", "valueFrom": {"path": "/tmp/word"}}]}},
            {"name": "hears", "inputs": {"parameters": [{"name": "word"}]},
             "container": container("test '{{inputs.parameters.word}}' = hello && test ! -e /tmp/word")},
        ],
    }))
    .await;
    reaches(alice, &name, "Succeeded").await;
}

async fn a_stopped_workflow_stops_its_container_by_exec_and_runs_its_exit_handler(alice: &Client) {
    let container = |script: &str| json!({"image": "x", "command": ["sh", "-c"], "args": [script]});
    let name = submit(
        alice,
        json!({
            "entrypoint": "waits", "onExit": "after",
            "templates": [
                {"name": "waits", "container": container("sleep 300")},
                {"name": "after", "container": container("true")},
            ],
        }),
    )
    .await;
    let deadline = tokio::time::Instant::now() + LIMIT;
    let is_running = |pods: &[Pod]| {
        let mut statuses = pods.iter().filter_map(|pod| pod.status.as_ref());
        statuses.any(|status| status.phase.as_deref() == Some("Running"))
    };
    while !is_running(&pods_of(alice, &name).await) {
        assert!(tokio::time::Instant::now() < deadline, "nothing runs");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let stop = Patch::Merge(json!({"spec": {"shutdown": "Stop"}}));
    workflows(alice)
        .patch(&name, &PatchParams::default(), &stop)
        .await
        .unwrap();
    reaches(alice, &name, "Failed").await;
    let pods = pods_of(alice, &name).await;
    assert_eq!(pods.len(), 2, "no exit handler");
    for pod in pods {
        let main = pod.status.unwrap().container_statuses.unwrap();
        let main = main.iter().find(|it| it.name == "main").unwrap();
        let state = main.state.clone().unwrap();
        assert!(state.terminated.is_some(), "{state:?}");
    }
}

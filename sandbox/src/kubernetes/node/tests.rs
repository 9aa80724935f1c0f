use std::fs;

use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{ConfigMap, Secret},
    scheduling::v1::PriorityClass,
};
use kube::api::{DeleteParams, ListParams, LogParams};
use serde_json::Value;

use super::*;
use crate::kubernetes::users::{ADMIN, ALICE};

#[test]
fn a_pod_that_has_ended_is_not_run_again() {
    let pod = |phase: &str| -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "status": {"phase": phase}}))
            .unwrap()
    };
    assert!(has_ended(&pod("Succeeded")) && has_ended(&pod("Failed")));
    assert!(!has_ended(&pod("Pending")) && !has_ended(&pod("Running")));
}

#[test]
fn an_image_of_ours_is_known_by_its_name_wherever_it_comes_from() {
    let images = BTreeMap::from([("namesake-webhook".to_owned(), PathBuf::from("/w"))]);
    let options = NodeOptions {
        images,
        ..NodeOptions::default()
    };
    for image in [
        "namesake-webhook",
        "ghcr.io/x/namesake-webhook:1.2",
        "r:5000/namesake-webhook@sha256:00",
    ] {
        assert_eq!(options.program(image), Some(Path::new("/w")), "{image}");
    }
    assert_eq!(options.program("python:3.11"), None);
}

/// Waits until `look` finds something.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} did not happen"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// One control plane for all claims: it takes some seconds to start.
#[tokio::test]
async fn pods_run_as_local_processes() {
    let folder = WorkFolder::create().unwrap();
    let control_plane = ControlPlane::start(&folder).await.unwrap();
    control_plane.namespace("lab", &[]).await.unwrap();
    let node = Node::start(&control_plane, &folder, NodeOptions::default())
        .await
        .unwrap();
    let alice = control_plane.client(ALICE).await.unwrap();

    a_job_runs_with_its_volumes_and_its_token(&alice, &folder).await;
    a_pod_that_waits_for_a_secret_runs_when_it_comes(&alice).await;
    a_failed_job_shows_its_exit_code_and_its_log(&alice).await;
    a_deployment_becomes_available_and_goes(&control_plane, &folder).await;
    a_gated_pod_is_placed_only_after_its_gate_is_removed(&alice).await;
    a_pod_that_no_node_fits_waits_and_says_why(&alice).await;
    a_pod_of_higher_priority_takes_the_place_of_a_lower_one(&control_plane).await;
    node.stop().await;
    control_plane.stop().await;
}

async fn create(client: &Client, object: Value) {
    let kind = object["kind"].as_str().unwrap().to_owned();
    let post = PostParams::default();
    match kind.as_str() {
        "Job" => {
            Api::<Job>::namespaced(client.clone(), "lab")
                .create(&post, &serde_json::from_value(object).unwrap())
                .await
                .unwrap();
        }
        "Pod" => {
            Api::<Pod>::namespaced(client.clone(), "lab")
                .create(&post, &serde_json::from_value(object).unwrap())
                .await
                .unwrap();
        }
        "Secret" => {
            Api::<Secret>::namespaced(client.clone(), "lab")
                .create(&post, &serde_json::from_value(object).unwrap())
                .await
                .unwrap();
        }
        "ConfigMap" => {
            let map = serde_json::from_value(object).unwrap();
            Api::<ConfigMap>::namespaced(client.clone(), "lab")
                .create(&post, &map)
                .await
                .unwrap();
        }
        other => panic!("{other}"),
    }
}

fn job(name: &str, pod: &Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    })
}

async fn finished(client: &Client, name: &str) -> Pod {
    let jobs = Api::<Job>::namespaced(client.clone(), "lab");
    until("the end of the job", || async {
        let status = jobs.get(name).await.unwrap().status.unwrap_or_default();
        (status.succeeded == Some(1) || status.failed == Some(1)).then_some(())
    })
    .await;
    let pods = Api::<Pod>::namespaced(client.clone(), "lab");
    let list = pods
        .list(&ListParams::default().labels(&format!("job-name={name}")))
        .await
        .unwrap();
    list.items[0].clone()
}

fn log_of(folder: &WorkFolder, pod: &Pod, container: &str) -> String {
    let name = format!(
        "lab_{}_{container}.log",
        pod.metadata.name.as_deref().unwrap()
    );
    fs::read_to_string(folder.logs().join("pods").join(name)).unwrap()
}

async fn a_job_runs_with_its_volumes_and_its_token(alice: &Client, folder: &WorkFolder) {
    create(alice, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"word": "hello"}})).await;
    let script = "cat /etc/words/word; echo; echo $WHO $(MARK); cut -d. -f1 /run/tok/token; cat /share/made; \
                  test -n \"$KUBECONFIG\" && echo kubeconfig";
    let pod = json!({
        "restartPolicy": "Never",
        "initContainers": [{"name": "init", "image": "x", "command": ["sh", "-c", "echo made-before > /share/made"],
            "volumeMounts": [{"name": "share", "mountPath": "/share"}]}],
        "containers": [{
            "name": "main", "image": "x", "command": ["sh", "-c", script],
            "env": [{"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}}, {"name": "MARK", "value": "m"}],
            "volumeMounts": [
                {"name": "words", "mountPath": "/etc/words"}, {"name": "tok", "mountPath": "/run/tok"},
                {"name": "share", "mountPath": "/share"},
            ],
        }],
        "volumes": [
            {"name": "words", "configMap": {"name": "c"}}, {"name": "share", "emptyDir": {}},
            {"name": "tok", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "somebody"}}]}},
        ],
    });
    create(alice, job("reads", &pod)).await;
    let pod = finished(alice, "reads").await;
    let log = log_of(folder, &pod, "main");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(
        pod.status.unwrap().phase.as_deref(),
        Some("Succeeded"),
        "{log}"
    );
    assert_eq!(lines[0], "hello");
    assert_eq!(lines[1], "default m");
    assert!(lines[2].starts_with("eyJ"), "no token in {log}");
    assert_eq!(&lines[3..], ["made-before", "kubeconfig"]);
}

async fn a_pod_that_waits_for_a_secret_runs_when_it_comes(alice: &Client) {
    let env = json!([{"name": "X", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}]);
    let main =
        json!({"name": "main", "image": "x", "command": ["sh", "-c", "test $X = v"], "env": env});
    create(
        alice,
        job(
            "waits",
            &json!({"restartPolicy": "Never", "containers": [main]}),
        ),
    )
    .await;
    let pods = Api::<Pod>::namespaced(alice.clone(), "lab");
    until("the reason", || async {
        let list = pods
            .list(&ListParams::default().labels("job-name=waits"))
            .await
            .unwrap();
        let status = list
            .items
            .first()?
            .status
            .clone()?
            .container_statuses?
            .first()?
            .state
            .clone()?;
        (status
            .waiting?
            .message?
            .contains("Secret \"late\" with key \"k\" not found"))
        .then_some(())
    })
    .await;
    create(alice, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"}, "stringData": {"k": "v"}})).await;
    assert_eq!(
        finished(alice, "waits")
            .await
            .status
            .unwrap()
            .phase
            .as_deref(),
        Some("Succeeded")
    );
}

async fn a_failed_job_shows_its_exit_code_and_its_log(alice: &Client) {
    let main =
        json!({"name": "main", "image": "x", "command": ["sh", "-c", "echo broken; exit 3"]});
    create(
        alice,
        job(
            "fails",
            &json!({"restartPolicy": "Never", "containers": [main]}),
        ),
    )
    .await;
    let pod = finished(alice, "fails").await;
    let pods = Api::<Pod>::namespaced(alice.clone(), "lab");
    let name = pod.metadata.name.as_deref().unwrap();
    let log = pods.logs(name, &LogParams::default()).await.unwrap();
    assert_eq!(log, "broken\n");
    let status = pod.status.unwrap();
    assert_eq!(status.phase.as_deref(), Some("Failed"));
    let end = status.container_statuses.unwrap()[0]
        .state
        .clone()
        .unwrap()
        .terminated
        .unwrap();
    assert_eq!(end.exit_code, 3);
    assert!(end.message.unwrap().contains("broken"));
}

async fn a_deployment_becomes_available_and_goes(
    control_plane: &ControlPlane,
    folder: &WorkFolder,
) {
    let admin = control_plane.client(ADMIN).await.unwrap();
    let port = crate::host::ports::free().unwrap();
    let script = format!("exec python3 -m http.server --bind $POD_IP {port}");
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
            "containers": [{"name": "main", "image": "x", "command": ["sh", "-c", script],
                "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                "ports": [{"name": "http", "containerPort": port}],
                "readinessProbe": {"httpGet": {"path": "/", "port": "http"}}}],
        }}},
    });
    let deployments = Api::<Deployment>::namespaced(admin.clone(), "lab");
    deployments
        .create(
            &PostParams::default(),
            &serde_json::from_value(deployment).unwrap(),
        )
        .await
        .unwrap();
    until("the deployment's availability", || async {
        let status = deployments
            .get("web")
            .await
            .unwrap()
            .status
            .unwrap_or_default();
        (status.available_replicas == Some(1)).then_some(())
    })
    .await;
    deployments
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    let pods = Api::<Pod>::namespaced(admin, "lab");
    until("the end of its pod", || async {
        pods.list(&ListParams::default().labels("app=web"))
            .await
            .unwrap()
            .items
            .is_empty()
            .then_some(())
    })
    .await;
    assert!(
        crate::host::ports::is_free(port),
        "the process lives on; logs in {}",
        folder.logs().display()
    );
}

async fn pod_until(client: &Client, name: &str, what: &str, holds: impl Fn(&Pod) -> bool) -> Pod {
    let pods = Api::<Pod>::namespaced(client.clone(), "lab");
    until(what, || async {
        let pod = pods.get_opt(name).await.unwrap()?;
        holds(&pod).then_some(pod)
    })
    .await
}

/// Whether kube-scheduler says of a pod that it is not placed, for this reason.
fn is_unplaced(pod: &Pod, reason: &str) -> bool {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let is_node_set = pod.spec.as_ref().is_some_and(|s| s.node_name.is_some());
    let mut conditions = conditions.into_iter().flatten();
    !is_node_set
        && conditions.any(|c| {
            c.type_ == "PodScheduled" && c.status == "False" && c.reason.as_deref() == Some(reason)
        })
}

fn has_phase(pod: &Pod, phase: &str) -> bool {
    let status = pod.status.as_ref();
    status.and_then(|status| status.phase.as_deref()) == Some(phase)
}

/// A pod that requests so many processors and runs until it is stopped.
fn pod(name: &str, processors: &str, more: &Value) -> Value {
    let main = json!({"name": "main", "image": "x", "command": ["sleep", "600"],
        "resources": {"requests": {"cpu": processors}, "limits": {"cpu": processors}}});
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [main]}});
    for (key, value) in more.as_object().into_iter().flatten() {
        pod["spec"][key] = value.clone();
    }
    pod
}

async fn a_gated_pod_is_placed_only_after_its_gate_is_removed(alice: &Client) {
    let gates = json!({"schedulingGates": [{"name": "example.com/wait"}]});
    create(alice, pod("gated", "1", &gates)).await;
    pod_until(alice, "gated", "the gate", |pod| {
        is_unplaced(pod, "SchedulingGated")
    })
    .await;
    let open = Patch::Merge(json!({"spec": {"schedulingGates": null}}));
    let pods = Api::<Pod>::namespaced(alice.clone(), "lab");
    pods.patch("gated", &PatchParams::default(), &open)
        .await
        .unwrap();
    pod_until(alice, "gated", "the start", |pod| has_phase(pod, "Running")).await;
}

async fn a_pod_that_no_node_fits_waits_and_says_why(alice: &Client) {
    create(alice, pod("large", "20000", &json!({}))).await;
    pod_until(alice, "large", "the reason", |pod| {
        is_unplaced(pod, "Unschedulable")
    })
    .await;
    let selector = json!({"nodeSelector": {"kubernetes.io/os": "plan9"}});
    create(alice, pod("elsewhere", "1", &selector)).await;
    pod_until(alice, "elsewhere", "the reason", |pod| {
        is_unplaced(pod, "Unschedulable")
    })
    .await;
}

async fn a_pod_of_higher_priority_takes_the_place_of_a_lower_one(control_plane: &ControlPlane) {
    let admin = control_plane.client(ADMIN).await.unwrap();
    let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "urgent"}, "value": 1000});
    Api::<PriorityClass>::all(admin.clone())
        .create(
            &PostParams::default(),
            &serde_json::from_value(class).unwrap(),
        )
        .await
        .unwrap();
    create(&admin, pod("low", "9000", &json!({}))).await;
    pod_until(&admin, "low", "the start", |pod| has_phase(pod, "Running")).await;
    let urgent = json!({"priorityClassName": "urgent"});
    create(&admin, pod("urgent", "9000", &urgent)).await;
    pod_until(&admin, "urgent", "the start", |pod| {
        has_phase(pod, "Running")
    })
    .await;
    let pods = Api::<Pod>::namespaced(admin, "lab");
    until("the end of the other one", || async {
        pods.get_opt("low").await.unwrap().is_none().then_some(())
    })
    .await;
}

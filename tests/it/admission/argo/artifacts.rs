//! The pods in which Argo deletes the artifacts of a finished Workflow.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result, ensure};
use axum::http::{Method, StatusCode, Uri};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use namesake_api::names::RESOLUTION_ANNOTATION;
use namesake_sandbox::kubernetes::users::{ADMIN, ALICE};
use namesake_tests::{
    cluster::manifests,
    controllers::{
        argo::{ArgoNamespace, TIMEOUT, scripts, with_real_argo},
        replayed_argo::create,
    },
    eventually::within,
    namespace::account_of,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, SemaphorePermit},
};

/// The service account of a pod that names none.
const DEFAULT: &str = "default";

/// A storage server with the S3 protocol that accepts all uploads, and answers deletions only when it is told to.
#[derive(Clone)]
struct Storage {
    /// Method and path of its requests.
    asked: Arc<Mutex<Vec<String>>>,
    may_delete: Arc<Semaphore>,
}

impl Storage {
    /// Starts it, and returns it with its address.
    async fn start() -> Result<(Self, String)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let storage = Self {
            asked: Arc::default(),
            may_delete: Arc::new(Semaphore::new(0)),
        };
        let answering = storage.clone();
        let router = axum::Router::new()
            .fallback(async move |method: Method, uri: Uri| answering.answer(&method, &uri).await);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((storage, address.to_string()))
    }

    async fn answer(
        &self,
        method: &Method,
        uri: &Uri,
    ) -> (StatusCode, [(&'static str, &'static str); 1]) {
        if *method == Method::DELETE {
            let permit = self.may_delete.acquire().await;
            permit.into_iter().for_each(SemaphorePermit::forget);
        }
        if let Ok(mut asked) = self.asked.lock() {
            asked.push(format!("{method} {}", uri.path()));
        }
        let status = match *method {
            Method::DELETE => StatusCode::NO_CONTENT,
            _ => StatusCode::OK,
        };
        (status, [("ETag", "\"etag\"")])
    }

    fn asked(&self) -> Vec<String> {
        self.asked
            .lock()
            .map(|asked| asked.clone())
            .unwrap_or_default()
    }
}

/// The artifact of a step, and the Secret with which Argo stores and deletes it.
fn artifact(storage: &str) -> (Value, Value) {
    let key = |key: &str| json!({"name": "storage", "key": key});
    let artifact = json!({"name": "x", "path": "/mnt/out/x", "archive": {"none": {}}, "s3": {
        "endpoint": storage, "insecure": true, "region": "any", "bucket": "artifacts", "key": "of-alice",
        "accessKeySecret": key("access"), "secretKeySecret": key("secret")}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "storage"},
        "stringData": {"access": "anybody", "secret": "anything"}});
    (artifact, secret)
}

/// Binds the role that Argo recommends for such pods to a service account.
async fn allow_artifact_deletion(argo: &ArgoNamespace, account: &str) -> Result<()> {
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

fn is_collector(pod: &&Pod) -> bool {
    let component = pod.labels().get("workflows.argoproj.io/component");
    component.map(String::as_str) == Some("artifact-gc")
}

/// Waits for the pod that deletes artifacts.
async fn collector(argo: &ArgoNamespace) -> Result<Pod> {
    within(TIMEOUT, "a pod deletes the artifacts", async || {
        let pods = argo.ns.pods().await?;
        let pod = pods.iter().find(is_collector).cloned().context("none")?;
        let status = serde_json::to_value(&pod.status)?;
        let running = status.pointer("/containerStatuses/0/state/running");
        ensure!(running.is_some(), "{status}");
        Ok(pod)
    })
    .await
}

#[test]
fn a_pod_that_deletes_alices_artifacts_runs_as_the_default_account_and_not_as_alice() -> Result<()>
{
    with_real_argo(|argo| async move {
        allow_artifact_deletion(&argo, DEFAULT).await?;
        let alice = argo.ns.alice().await?;
        let (storage, address) = Storage::start().await?;
        let (artifact, secret) = artifact(&address);
        alice
            .create::<Secret>(serde_json::from_value::<Secret>(secret)?)
            .await?;
        let mut flow = scripts("Workflow", "leaves", &[("main", "echo data >/mnt/out/x")]);
        flow["spec"]["artifactGC"] = json!({"strategy": "OnWorkflowCompletion"});
        flow["spec"]["volumes"] = json!([{"name": "out", "emptyDir": {}}]);
        let template = &mut flow["spec"]["templates"][0];
        template["container"]["volumeMounts"] = json!([{"name": "out", "mountPath": "/mnt/out"}]);
        template["outputs"] = json!({"artifacts": [artifact]});
        create(&alice, &flow).await?;
        argo.wait_for_phase("leaves", "Succeeded").await?;
        // Argo deletes the pod when it is done, so the storage waits until the test has seen it.
        let pod = collector(&argo).await?;
        ensure!(account_of(&pod) == DEFAULT, "{}", account_of(&pod));
        ensure!(!pod.annotations().contains_key(RESOLUTION_ANNOTATION));
        storage.may_delete.add_permits(1);
        let done = within(TIMEOUT, "the artifacts are deleted", async || {
            let workflow = argo.workflow("leaves").await?;
            let status = &workflow.data["status"];
            let is_done =
                &status["artifactGCStatus"]["strategiesProcessed"]["OnWorkflowCompletion"];
            ensure!(*is_done == true, "{status}");
            ensure!(
                workflow.finalizers().is_empty(),
                "{:?}",
                workflow.finalizers()
            );
            Ok(workflow)
        })
        .await?;
        // Argo sends a request again whose answer came late.
        let mut asked = storage.asked();
        asked.dedup();
        ensure!(
            asked == ["PUT /artifacts/of-alice", "DELETE /artifacts/of-alice"],
            "{asked:?}"
        );
        let conditions = done.data["status"]["conditions"].to_string();
        ensure!(!conditions.contains("ArtifactGCError"), "{conditions}");
        let pods = argo.pods_of("leaves").await?;
        let left: Vec<_> = pods.iter().filter(|pod| !is_collector(pod)).collect();
        ensure!(left.len() == 1, "{} pods", left.len());
        argo.ns.runs_as(left[0], ALICE).await?;
        Ok(())
    })
}

//! The token for the gateway in pods that run on the node, next to the real Argo: its rules have `podTokens`.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{controllers::argo::with_real_argo, drafts::metaflow_job, eventually::within};
use serde_json::json;

/// What a task reads, as the client package does: it fails unless the token is the pod's own.
const TASK: &str = r#"
import base64, json, os

with open(os.environ["NAMESAKE_GATEWAY_TOKEN_FILE"]) as file:
    payload = file.read().split(".")[1]
claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
assert claims["aud"] == ["namesake-gateway"], claims
assert claims["exp"] - claims["iat"] == 3600, claims
bound = claims["kubernetes.io"]
assert bound["pod"] == {"name": os.environ["POD"], "uid": os.environ["POD_UID"]}, claims
assert bound["serviceaccount"]["name"] == os.environ["ACCOUNT"], claims
assert os.environ["METAFLOW_USER"] == "alice@acme.com", os.environ["METAFLOW_USER"]
"#;

#[test]
fn a_task_has_a_token_for_the_gateway_that_is_bound_to_its_pod_and_names_its_user() -> Result<()> {
    with_real_argo(|argo| async move {
        let ns = argo.ns;
        let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        let env = [
            json!({"name": "METAFLOW_USER", "value": "argo-workflows"}),
            field("POD", "metadata.name"),
            field("POD_UID", "metadata.uid"),
            field("ACCOUNT", "spec.serviceAccountName"),
        ];
        let container = json!({"name": "start", "image": "python:3.11", "command": ["python", "-c", TASK], "env": env});
        let job = metaflow_job().pod_field("containers", json!([container]));
        let job = ns.alice().await?.create::<Job>(job).await?;
        let pod = ns.pod_of(&job).await?;
        ns.runs_as(&pod, ALICE).await?;
        let pods = ns.admin().await?.all::<Pod>();
        let phase = within(Duration::from_secs(90), "the end of the task", async || {
            let status = pods.get(&pod.name_any()).await?.status;
            let phase = status.and_then(|status| status.phase).unwrap_or_default();
            ensure!(["Succeeded", "Failed"].contains(&phase.as_str()), "{phase}");
            Ok(phase)
        })
        .await?;
        ensure!(phase == "Succeeded", "the task failed");
        Ok(())
    })
}

//! `kubectl namesake who` on the audit log of a real API server.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use namesake_api::names::RESOLUTION_ANNOTATION;
use namesake_core::DecisionId;
use namesake_sandbox::kubernetes::users::{ADMIN, ALICE};
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{account_of, with_namespace},
};
use serde_json::Value;

use crate::cli::connection::session;

#[test]
fn the_audit_log_says_which_pods_ran_as_an_account_for_whom_and_by_which_decision() -> Result<()> {
    with_namespace(|ns| async move {
        let job: Job = ns.alice().await?.create(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        let resolution = pod.annotations().get(RESOLUTION_ANNOTATION);
        let decision = resolution.and_then(|text| DecisionId::of_signed(text));
        let decision = decision.context("no decision")?.to_string();
        let control_plane = &ns.stack.cluster().control_plane;
        let log = control_plane.audit_log().display().to_string();
        let admin = control_plane.kubeconfig(ADMIN);
        let account = format!("{}/{}", ns.name, account_of(&pod));
        let words = ["who", &account, "--kubernetes-audit", &log, "-n", &ns.name];
        let parts = [
            &*decision,
            ALICE,
            &job.name_any(),
            "there is no --google-audit",
        ];
        eventually("the API server has written the event", async || {
            session(&admin, &words).await.answered(3, &parts)
        })
        .await?;
        let json = session(&admin, &[&words[..], &["-o", "json"]].concat()).await;
        let json: Value = serde_json::from_str(&json.out)?;
        let pods = json["pods"].as_array().context("no pods")?;
        ensure!(
            pods.len() == 1 && pods[0]["namespace"] == ns.name.as_str(),
            "{json}"
        );
        ensure!(json["users"] == serde_json::json!([ALICE]), "{json}");
        // Its Identity says which Google account it is.
        let queries = session(&admin, &["who", &account, "-n", &ns.name]).await;
        queries.answered(
            0,
            &[&format!("{}@", account_of(&pod)), "gcloud logging read"],
        )
    })
}

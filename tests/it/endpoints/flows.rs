//! Stock flows whose pods run on the node, at the gateway with its real parts: on Kubernetes, and on the real Argo.

use anyhow::{Result, ensure};
use kube::api::ListParams;
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    controllers::{
        argo::{TIMEOUT, with_real_argo},
        replayed_argo::kind,
    },
    endpoints::Endpoints,
    eventually::{eventually, within},
};
use serde_json::Value;

/// A flow of this name, whose first step takes this many seconds.
fn flow(name: &str, seconds: u32) -> String {
    format!(
        "import time\nfrom metaflow import FlowSpec, step\n\n\
         class {name}(FlowSpec):\n    @step\n    def start(self):\n        time.sleep({seconds})\n        self.next(self.end)\n\n\
         \x20   @step\n    def end(self):\n        pass\n\nif __name__ == \"__main__\":\n    {name}()\n"
    )
}

/// Whom the access log names for the artifacts of a flow, which only tasks write.
fn writers(endpoints: &Endpoints, flow: &str) -> Result<Vec<String>> {
    let log = endpoints.log()?;
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let below = format!("/flows/{flow}/runs/");
    let of_artifacts = lines.filter(|line| {
        let path = line["path"].as_str().unwrap_or_default();
        line["method"] == "POST" && path.starts_with(&below) && path.ends_with("/artifact")
    });
    let users = of_artifacts.map(|line| line["user"].as_str().unwrap_or("nobody").to_owned());
    Ok(users.collect())
}

async fn check_writers(endpoints: &Endpoints, flow: &str, user: &str) -> Result<()> {
    let users = endpoints.recorded_users(flow).await?;
    ensure!(users == [user], "the runs are recorded as {users:?}");
    eventually("the artifacts of both steps are in the log", async || {
        let users = writers(endpoints, flow)?;
        ensure!(
            users.len() >= 2 && users.iter().all(|it| it == user),
            "{users:?}"
        );
        Ok(())
    })
    .await
}

#[test]
fn a_flow_outlives_its_tokens_and_is_recorded_as_who_logged_in_whatever_it_says() -> Result<()> {
    with_real_argo(|argo| async move {
        let endpoints = argo.endpoints();
        let (laptop, login) = argo
            .laptop_at_gateway(BOB, &flow("OutliveFlow", 20))
            .await?;
        let run = ["run", "--with", "kubernetes"];
        laptop.flow(&run).await?.expect_success()?;
        check_writers(endpoints, "OutliveFlow", BOB).await?;
        // The flow takes 20 s and more, and a token on the laptop lives for 6.
        let tokens = login.printed_tokens();
        ensure!(tokens >= 4, "{tokens} tokens");
        Ok(())
    })
}

/// Not the whole run: this metadata service gives each run an id of its own, and does not know it by Argo's afterwards.
#[test]
fn a_run_that_argo_starts_is_recorded_as_its_deployers_though_the_template_names_argo() -> Result<()>
{
    with_real_argo(|argo| async move {
        let flow = flow("DeployedFlow", 0);
        let (laptop, _login) = argo.laptop_at_gateway(ALICE, &flow).await?;
        laptop.argo_workflows(&["create"]).await?.expect_success()?;
        laptop
            .argo_workflows(&["trigger"])
            .await?
            .expect_success()?;
        argo.new_workflow(&[]).await?;
        let templates = argo.ns.alice().await?.objects(&kind("WorkflowTemplate"));
        let templates = serde_json::to_string(&templates.list(&ListParams::default()).await?)?;
        ensure!(
            templates.contains(r#""name":"METAFLOW_USER","value":"argo-workflows""#),
            "{templates}"
        );
        within(TIMEOUT, "the run is recorded", async || {
            let users = argo.endpoints().recorded_users("DeployedFlow").await?;
            ensure!(users == [ALICE], "{users:?}");
            Ok(())
        })
        .await
    })
}

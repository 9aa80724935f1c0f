//! What the gateway answers while one of its parts does not run, and how soon changes in the cluster reach it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use namesake_api::{Identity, names::GATEWAY_AUDIENCE};
use namesake_tests::{
    drafts::metaflow_job,
    endpoints::{ENDPOINTS, Endpoints, laptop::Laptop, refusal},
    eventually::{eventually, within},
    namespace::{TestNamespace, account_of, with_namespace, with_own_stack},
    stack::{Options, SHARED_RULES},
};
use secrecy::ExposeSecret;
use serde_json::json;

/// How soon somebody is refused whose identity or user was taken away.
const SOON: Duration = Duration::from_secs(15);
const LOCAL_FLOW: &str = r#"
import time
from metaflow import FlowSpec, step

class RestartFlow(FlowSpec):
    @step
    def start(self):
        print("WAITING", flush=True)
        time.sleep(25)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    RestartFlow()
"#;

fn options(rules: String) -> Options {
    Options {
        rules,
        ..Options::default()
    }
}

async fn status(endpoints: &Endpoints, token: &str) -> Result<u16> {
    let answer = endpoints.get("/ping").bearer_auth(token).send().await?;
    Ok(answer.status().as_u16())
}

/// The account of a pod of the person `<name>@acme.com`, and the pod's token, once the gateway accepts it.
async fn accepted_pod(
    ns: &TestNamespace,
    endpoints: &Endpoints,
    name: &str,
) -> Result<(String, String)> {
    let person = ns
        .stack
        .cluster()
        .user(&format!("{name}@acme.com"), &ns.name)
        .await?;
    let pod = ns
        .pod_of(&person.create::<Job>(metaflow_job()).await?)
        .await?;
    ns.wait_until_ungated(&pod).await?;
    let token = ns.pod_token(&pod, &[GATEWAY_AUDIENCE]).await?;
    let token = token.expose_secret().to_owned();
    eventually("the pod is accepted", async || {
        let status = status(endpoints, &token).await?;
        ensure!(status == 200, "{status}");
        Ok(())
    })
    .await?;
    Ok((account_of(&pod).to_owned(), token))
}

async fn is_refused_soon(endpoints: &Endpoints, token: &str, reasons: &[&str]) -> Result<()> {
    within(SOON, "the pod is refused", async || {
        let answer = endpoints.get("/ping").bearer_auth(token).send().await?;
        let (status, reason, message) = refusal(answer).await?;
        ensure!(
            status == 403 && reasons.contains(&reason.as_str()),
            "{status} {reason}: {message}"
        );
        Ok(())
    })
    .await
}

#[test]
fn pods_of_a_suspended_identity_and_of_an_offboarded_user_are_refused_within_seconds() -> Result<()>
{
    let rules = format!("{SHARED_RULES}{ENDPOINTS}");
    with_own_stack(options(rules.clone()), |ns| async move {
        let endpoints = Endpoints::of(ns.stack.cluster()).await?;
        let _authorizer = endpoints.authorize(ns.stack.cluster()).await?;
        let (account, of_alice) = accepted_pod(&ns, &endpoints, "alice").await?;
        let (_, of_bob) = accepted_pod(&ns, &endpoints, "bob").await?;
        let suspend = json!({"spec": {"suspended": true}});
        ns.admin()
            .await?
            .patch::<Identity>(&account, suspend)
            .await?;
        is_refused_soon(&endpoints, &of_alice, &["NotServing"]).await?;
        ensure!(
            status(&endpoints, &of_bob).await? == 200,
            "bob is refused too"
        );
        ns.stack
            .edit_rules(&format!("{rules}offboarded: [bob@acme.com]\n"))
            .await??;
        // The broker may have begun to remove the identity before the authorizer sees the rules.
        is_refused_soon(&endpoints, &of_bob, &["Offboarded", "NotServing"]).await
    })
}

#[test]
fn in_shadow_mode_a_write_into_anothers_run_passes_and_is_counted() -> Result<()> {
    let shadow = ENDPOINTS.replacen("endpoints:", "endpoints:\n  mode: shadow", 1);
    with_own_stack(
        options(format!("{SHARED_RULES}{shadow}")),
        |ns| async move {
            let endpoints = Endpoints::of(ns.stack.cluster()).await?;
            let authorizer = endpoints.authorize(ns.stack.cluster()).await?;
            let (alice, bob) = (
                endpoints.token_of("alice").await?,
                endpoints.token_of("bob").await?,
            );
            let run = endpoints
                .new_run(&alice, &Endpoints::own_path(), "alice@acme.com")
                .await?;
            let answer = endpoints.heartbeat(&bob, &run).await?;
            ensure!(answer.status().is_success(), "{}", answer.status());
            let metrics = authorizer.metrics().await?;
            let counted = metrics.lines().find(|line| {
                line.contains(r#"decision="would_be_refused""#)
                    && line.contains(r#"reason="NotYourRun""#)
            });
            ensure!(
                counted.is_some_and(|line| line.ends_with(" 1")),
                "{counted:?}"
            );
            ensure!(
                status(&endpoints, "not.a.token").await? == 401,
                "shadow lets in who is not proven"
            );
            Ok(())
        },
    )
}

#[test]
fn without_the_metadata_service_the_answer_says_so_and_nothing_passes() -> Result<()> {
    with_namespace(|ns: TestNamespace| async move {
        let endpoints = Endpoints::of(ns.stack.cluster()).await?;
        let _authorizer = endpoints
            .authorize_with_own_rules(ns.stack.cluster())
            .await?;
        let token = endpoints.token().await?;
        let known = endpoints
            .new_run(&token, &Endpoints::own_path(), "alice@acme.com")
            .await?;
        let accepted = endpoints.heartbeat(&token, &known).await?;
        ensure!(accepted.status().is_success(), "{}", accepted.status());
        let service = endpoints.gateway.service.process();
        service.stop(Duration::from_secs(5)).await;
        let read = endpoints.get(&known).bearer_auth(&token).send().await?;
        let write = endpoints.heartbeat(&token, &known).await?;
        for answer in [read, write] {
            let (status, reason, message) = refusal(answer).await?;
            ensure!(
                (status, reason.as_str()) == (503, "ServiceUnavailable"),
                "{status} {reason}: {message}"
            );
        }
        // Nobody knows whose this run is.
        let write = endpoints.heartbeat(&token, "/flows/F/runs/1").await?;
        let (status, _, message) = refusal(write).await?;
        ensure!(
            status == 503 && message.contains("try again"),
            "{status}: {message}"
        );
        Ok(())
    })
}

#[test]
fn a_flow_goes_on_after_the_authorizer_was_restarted_in_the_middle_of_it_and_outlives_its_tokens()
-> Result<()> {
    with_namespace(|ns: TestNamespace| async move {
        let cluster = ns.stack.cluster();
        let endpoints = Endpoints::of(cluster).await?;
        let authorizer = endpoints.authorize_with_own_rules(cluster).await?;
        let laptop = Laptop::open(&endpoints, "bob", LOCAL_FLOW).await?;
        let restart = async {
            eventually("the run exists", async || {
                let users = endpoints.recorded_users("RestartFlow").await?;
                ensure!(users == ["bob@acme.com"], "{users:?}");
                Ok(())
            })
            .await?;
            authorizer.stop().await;
            let token = endpoints.token_of("bob").await?;
            let answer = endpoints.get("/ping").bearer_auth(&token).send().await?;
            let (status, reason, _) = refusal(answer).await?;
            ensure!(
                (status, reason.as_str()) == (503, "AuthorizerUnavailable"),
                "{status} {reason}"
            );
            endpoints.authorize_with_own_rules(cluster).await
        };
        let (done, restarted) = tokio::join!(laptop.flow(&["run"]), restart);
        let _authorizer = restarted?;
        let done = done?;
        ensure!(done.success, "{}", done.text);
        // The flow takes 25 s and more, and a token lives for 6.
        let tokens = laptop.printed_tokens();
        ensure!(tokens >= 5, "{tokens} tokens");
        Ok(())
    })
}

#[test]
fn metaflow_without_the_client_package_shows_what_to_install() -> Result<()> {
    with_namespace(|ns: TestNamespace| async move {
        let endpoints = Endpoints::authorized(&ns.stack).await?;
        let mut laptop = Laptop::open(endpoints, "alice", LOCAL_FLOW).await?;
        laptop.without("PYTHONPATH");
        let done = laptop.flow(&["run"]).await?;
        ensure!(!done.success, "{}", done.text);
        let text = &done.text;
        let start = text.find("Metaflow service").context(text.clone())?;
        let shown = text.get(start..).unwrap_or_default();
        ensure!(shown.contains("pip install metaflow-namesake"), "{shown}");
        Ok(())
    })
}

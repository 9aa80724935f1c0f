//! Envoy and the authorizer together, on a real cluster: people with the provider's tokens, task pods with the cluster's, and a browser.

use anyhow::{Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use namesake_api::names::{GATEWAY_AUDIENCE, SYSTEM_NAMESPACE, WEBHOOK_SERVICE_ACCOUNT};
use namesake_sandbox::gateway::{
    CLI_CLIENT,
    browser::{browse, log_in},
};
use namesake_tests::{
    drafts::metaflow_job,
    endpoints::{Endpoints, refusal, screenshots},
    eventually::eventually,
    namespace::{TestNamespace, with_namespace},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

#[test]
fn nobody_writes_into_the_run_of_another() -> Result<()> {
    with_namespace(|ns: TestNamespace| async move {
        let endpoints = Endpoints::authorized(&ns.stack).await?;
        let (alice, bob) = (
            endpoints.token_of("alice").await?,
            endpoints.token_of("bob").await?,
        );
        let run = endpoints
            .new_run(&alice, &Endpoints::own_path(), "alice@acme.com")
            .await?;
        let own = endpoints.heartbeat(&alice, &run).await?;
        ensure!(
            own.status().is_success(),
            "{}: {}",
            own.status(),
            own.text().await?
        );
        let (status, reason, message) = refusal(endpoints.heartbeat(&bob, &run).await?).await?;
        ensure!(
            (status, reason.as_str()) == (403, "NotYourRun"),
            "{status} {reason} {message}"
        );
        let read = endpoints.get(&run).bearer_auth(&bob).send().await?;
        ensure!(read.status() == 200, "{}", read.status());
        Ok(())
    })
}

#[test]
fn a_new_run_names_the_user_of_the_token() -> Result<()> {
    with_namespace(|ns: TestNamespace| async move {
        let endpoints = Endpoints::authorized(&ns.stack).await?;
        let bob = endpoints.token_of("bob").await?;
        let answer = endpoints
            .create_run(&bob, &Endpoints::own_path(), "alice@acme.com")
            .await?;
        let (status, reason, _) = refusal(answer).await?;
        ensure!(
            (status, reason.as_str()) == (403, "NamesAnotherUser"),
            "{status} {reason}"
        );
        Ok(())
    })
}

#[test]
fn a_name_that_the_issuer_did_not_verify_is_refused() -> Result<()> {
    with_namespace(|ns: TestNamespace| async move {
        let endpoints = Endpoints::authorized(&ns.stack).await?;
        let claims = endpoints.claims();
        for unverified in [json!(false), json!("true"), Value::Null] {
            let mut claims = claims.clone();
            claims["email_verified"] = unverified;
            let token = endpoints.sign(&claims).await?;
            let answer = endpoints.get("/ping").bearer_auth(&token).send().await?;
            let (status, reason, _) = refusal(answer).await?;
            ensure!(
                (status, reason.as_str()) == (401, "InvalidToken"),
                "{status} {reason}"
            );
        }
        Ok(())
    })
}

#[test]
fn a_token_for_several_audiences_counts_only_if_one_of_our_clients_asked_for_it() -> Result<()> {
    with_namespace(|ns: TestNamespace| async move {
        let endpoints = Endpoints::authorized(&ns.stack).await?;
        let mut claims = endpoints.claims();
        claims["aud"] = json!([CLI_CLIENT, "another-service"]);
        for (party, expected) in [
            (None, 401),
            (Some("another-service"), 401),
            (Some(CLI_CLIENT), 200),
        ] {
            claims["azp"] = party.map_or(Value::Null, Into::into);
            let token = endpoints.sign(&claims).await?;
            let answer = endpoints.get("/ping").bearer_auth(&token).send().await?;
            ensure!(
                answer.status() == expected,
                "{party:?}: {}",
                answer.status()
            );
        }
        Ok(())
    })
}

/// A pod of alice whose identity works.
async fn alices_pod(ns: &TestNamespace) -> Result<Pod> {
    let job: Job = ns.alice().await?.create(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    ns.runs_as(&pod, "alice@acme.com").await?;
    ns.wait_until_ungated(&pod).await?;
    Ok(pod)
}

#[test]
fn a_task_pod_is_its_user_and_a_pod_without_an_identity_is_nobody() -> Result<()> {
    with_namespace(|ns: TestNamespace| async move {
        let endpoints = Endpoints::authorized(&ns.stack).await?;
        let pod = alices_pod(&ns).await?;
        let token = ns.pod_token(&pod, &[GATEWAY_AUDIENCE]).await?;
        let token = token.expose_secret();
        eventually("the authorizer knows the identity", async || {
            let answer = endpoints.get("/ping").bearer_auth(token).send().await?;
            ensure!(
                answer.status() == 200,
                "{}: {}",
                answer.status(),
                answer.text().await?
            );
            Ok(())
        })
        .await?;
        let flow = Endpoints::own_path();
        let run = endpoints.new_run(token, &flow, "alice@acme.com").await?;
        let bob = endpoints.token_of("bob").await?;
        ensure!(
            endpoints.heartbeat(&bob, &run).await?.status() == 403,
            "bob writes into the pod's run"
        );
        let of_bob = endpoints.new_run(&bob, &flow, "bob@acme.com").await?;
        ensure!(
            endpoints.heartbeat(token, &of_bob).await?.status() == 403,
            "the pod writes into bob's run"
        );
        Ok(())
    })
}

#[test]
fn a_token_of_the_cluster_for_another_service_or_without_a_pod_is_refused() -> Result<()> {
    with_namespace(|ns: TestNamespace| async move {
        let endpoints = Endpoints::authorized(&ns.stack).await?;
        let pod = alices_pod(&ns).await?;
        let for_the_cluster = ns.pod_token(&pod, &[]).await?;
        let answer = endpoints
            .get("/ping")
            .bearer_auth(for_the_cluster.expose_secret())
            .send()
            .await?;
        ensure!(
            answer.status() == 403,
            "a token for the API server: {}",
            answer.status()
        );
        let cluster = ns.stack.cluster();
        let other = cluster
            .token(
                SYSTEM_NAMESPACE,
                WEBHOOK_SERVICE_ACCOUNT,
                &[GATEWAY_AUDIENCE],
            )
            .await?;
        let answer = endpoints
            .get("/ping")
            .bearer_auth(other.expose_secret())
            .send()
            .await?;
        let (status, reason, _) = refusal(answer).await?;
        ensure!(
            status == 401 || status == 403,
            "an account without an identity: {status} {reason}"
        );
        Ok(())
    })
}

#[test]
fn the_page_says_who_i_am_also_on_a_phone() -> Result<()> {
    with_namespace(|ns: TestNamespace| async move {
        let endpoints = Endpoints::authorized(&ns.stack).await?;
        let ui = endpoints.gateway.ui();
        let mut steps = log_in(&ui, "alice", &format!("{ui}/namesake"));
        steps.extend([
            json!({"text": "body", "screenshot": "page"}),
            json!({"width": 390, "screenshot": "page-on-a-phone"}),
            json!({"goto": format!("{ui}/namesake/whoami")}),
        ]);
        let Endpoints {
            gateway,
            folder,
            children,
            ..
        } = endpoints;
        let seen = browse(children, &gateway.programs, folder, &screenshots(), &steps).await?;
        for text in [seen.seen[0].as_str().unwrap_or_default(), &seen.text] {
            ensure!(text.contains("alice@acme.com"), "{text}");
        }
        Ok(())
    })
}

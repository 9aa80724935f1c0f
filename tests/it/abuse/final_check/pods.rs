//! Changes by webhooks that come after ours, which the final check refuses.

use anyhow::{Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{metaflow_job, pod},
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_namespace, with_own_stack},
    stack::{
        Options, SHARED_RULES,
        other_webhook::{OtherWebhook, Reinvocation},
    },
};
use serde_json::{Value, json};

fn add_miner() -> Value {
    json!([{"op": "add", "path": "/spec/containers/-", "value": {"name": "miner", "image": "evil.example/miner"}}])
}

/// Starts another webhook, and waits until the API server calls it and it changes pods.
async fn other_webhook(ns: &TestNamespace, patch: Value) -> Result<OtherWebhook> {
    // Her identity exists, so the change is the only possible reason.
    ns.alice().await?.create::<Pod>(pod()).await?;
    wait_until_called(
        ns,
        OtherWebhook::start(ns, &patch, Reinvocation::Never).await?,
    )
    .await
}

async fn wait_until_called(
    ns: &TestNamespace,
    other_webhook: OtherWebhook,
) -> Result<OtherWebhook> {
    let alice = ns.alice().await?;
    eventually("the API server calls the other webhook", async || {
        match alice.dry_run::<Pod>(pod()).await {
            Ok(made) => {
                let spec = made.spec.unwrap_or_default();
                let all = spec
                    .containers
                    .iter()
                    .chain(spec.init_containers.iter().flatten());
                ensure!(
                    all.clone()
                        .any(|c| c.name != "main" || c.image.as_deref() != Some("busybox")),
                    "not yet"
                );
            }
            Err(kube::Error::Api(status)) => ensure!(status.code == 403, "{status:?}"),
            Err(other) => return Err(other.into()),
        }
        Ok(())
    })
    .await?;
    Ok(other_webhook)
}

#[test]
fn a_container_that_another_webhook_adds_is_refused_even_though_our_webhook_is_reinvoked()
-> Result<()> {
    with_namespace(|ns| async move {
        let other_webhook = other_webhook(&ns, add_miner()).await?;
        let answer = ns.alice().await?.create::<Pod>(pod()).await;
        other_webhook.delete().await?;
        refused(answer)?
            .with_code(403)?
            .with_message("container miner (image evil.example/miner)")?
            .with_message("sidecars")?
            .with_message("validate.namesake.dev")?;
        Ok(())
    })
}

#[test]
fn a_pod_of_the_job_controller_is_refused_too_and_the_events_of_the_job_say_why() -> Result<()> {
    with_namespace(|ns| async move {
        let other_webhook = other_webhook(&ns, add_miner()).await?;
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let told = ns
            .wait_for_refusal(&job.name_any(), "container miner")
            .await;
        other_webhook.delete().await?;
        told
    })
}

#[test]
fn a_container_that_an_earlier_webhook_adds_to_the_pod_of_a_job_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let alice = ns.alice().await?;
        alice.create::<Pod>(pod()).await?;
        let other_webhook = wait_until_called(
            &ns,
            OtherWebhook::start_before_ours(&ns, &add_miner()).await?,
        )
        .await?;
        // A bare pod is accepted as it arrives: nothing records what she requested before that webhook.
        let bare = alice.create::<Pod>(pod()).await;
        let job = alice.create::<Job>(metaflow_job()).await?;
        let told = ns
            .wait_for_refusal(&job.name_any(), "container miner")
            .await;
        other_webhook.delete().await?;
        ns.runs_as(&bare?, ALICE).await?;
        told
    })
}

#[test]
fn a_changed_image_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let patch = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "evil.example/busybox"}]);
        let other_webhook = other_webhook(&ns, patch).await?;
        let answer = ns.alice().await?.create::<Pod>(pod()).await;
        other_webhook.delete().await?;
        refused(answer)?
            .with_code(403)?
            .with_message("what container main runs")?
            .with_message("evil.example/busybox")?;
        Ok(())
    })
}

#[test]
fn a_listed_sidecar_is_let_in() -> Result<()> {
    with_namespace(|ns| async move {
        let proxy = json!({"name": "istio-proxy", "image": "gcr.io/istio/proxyv2:1.27"});
        let other_webhook = other_webhook(
            &ns,
            json!([{"op": "add", "path": "/spec/containers/-", "value": proxy}]),
        )
        .await?;
        let answer = ns.alice().await?.create::<Pod>(pod()).await;
        other_webhook.delete().await?;
        let made = answer?;
        ns.runs_as(&made, ALICE).await?;
        ensure!(
            made.spec
                .is_some_and(|s| s.containers.iter().any(|c| c.name == "istio-proxy"))
        );
        Ok(())
    })
}

#[test]
fn a_pod_on_the_host_network_is_refused_at_the_job() -> Result<()> {
    with_namespace(|ns| async move {
        let draft = metaflow_job().pod_field("hostNetwork", json!(true));
        refused(ns.alice().await?.create::<Job>(draft).await)?
            .with_code(403)?
            .with_message("hostNetwork")?
            .with_message(ALICE)?;
        // Without it the same Job is accepted.
        ns.alice().await?.create::<Job>(metaflow_job()).await?;
        Ok(())
    })
}

#[test]
fn a_pod_that_no_rule_matches_keeps_an_allowed_account_and_gets_no_other() -> Result<()> {
    with_namespace(|ns| async move {
        let dave = ns.person("dave@elsewhere.example").await?;
        let made = dave.create::<Pod>(pod()).await?;
        ensure!(account_of(&made) == "default", "{}", account_of(&made));
        let alices = ns.alice().await?.create::<Pod>(pod()).await?;
        for account in ["metaflow", account_of(&alices)] {
            refused(dave.create::<Pod>(pod().running_as(account)).await)?
                .with_code(403)?
                .with_message(account)?
                .with_message(&dave.name)?;
            let job = metaflow_job().running_as(account);
            refused(dave.create::<Job>(job).await)?
                .with_code(403)?
                .with_message(account)?;
        }
        Ok(())
    })
}

#[test]
fn where_the_rules_require_the_metadata_server_a_pod_for_other_nodes_is_refused_at_the_job()
-> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let (alice, selector) = (ns.alice().await?, "iam.gke.io/gke-metadata-server-enabled");
        let rules = format!("{SHARED_RULES}requireMetadataServer: true\n");
        ns.stack.edit_rules(&rules).await??;
        eventually("the rules are in force", async || {
            refused(alice.dry_run::<Job>(metaflow_job()).await)?
                .with_code(403)?
                .with_message(selector)?
                .with_message(ALICE)
        })
        .await?;
        refused(alice.create::<Pod>(pod()).await)?
            .with_code(403)?
            .with_message(selector)?;
        let there = metaflow_job().pod_field("nodeSelector", json!({selector: "true"}));
        let job = alice.create::<Job>(there).await?;
        ns.runs_as(&ns.pod_of(&job).await?, ALICE).await?;
        Ok(())
    })
}

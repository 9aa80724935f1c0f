//! What the twin finds in the final pod, whatever webhooks come after ours.

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
        meddler::{Again, Meddler},
    },
};
use serde_json::{Value, json};

fn miner() -> Value {
    json!([{"op": "add", "path": "/spec/containers/-", "value": {"name": "miner", "image": "evil.example/miner"}}])
}

/// A meddler, once the API server asks it: pods are not what they were.
async fn meddler(ns: &TestNamespace, patch: Value) -> Result<Meddler> {
    // Her identity is there, so that nothing but the change can be the reason.
    ns.alice().await?.creates::<Pod>(pod()).await?;
    asked(ns, Meddler::starts(ns, &patch, Again::Never).await?).await
}

async fn asked(ns: &TestNamespace, meddler: Meddler) -> Result<Meddler> {
    let alice = ns.alice().await?;
    eventually("the API server asks the meddler", async || {
        match alice.dry_runs::<Pod>(pod()).await {
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
    Ok(meddler)
}

#[test]
fn a_container_that_another_webhook_adds_is_refused_even_though_we_are_asked_again() -> Result<()> {
    with_namespace(|ns| async move {
        let meddler = meddler(&ns, miner()).await?;
        let answer = ns.alice().await?.creates::<Pod>(pod()).await;
        meddler.ends().await?;
        refused(answer)?
            .with(403)?
            .saying("container miner (image evil.example/miner)")?
            .saying("sidecars")?
            .saying("validate.namesake.dev")?;
        Ok(())
    })
}

#[test]
fn the_job_controllers_pod_is_refused_too_and_the_jobs_events_say_why() -> Result<()> {
    with_namespace(|ns| async move {
        let meddler = meddler(&ns, miner()).await?;
        let job = ns.alice().await?.creates::<Job>(metaflow_job()).await?;
        let told = ns.is_told(&job.name_any(), "container miner").await;
        meddler.ends().await?;
        told
    })
}

#[test]
fn what_a_webhook_before_ours_puts_into_a_jobs_pod_is_not_what_its_maker_asked_for() -> Result<()> {
    with_namespace(|ns| async move {
        let alice = ns.alice().await?;
        alice.creates::<Pod>(pod()).await?;
        let meddler = asked(&ns, Meddler::comes_first(&ns, &miner()).await?).await?;
        // A pod of her own is hers as it comes: nobody knows what she asked for before that webhook.
        let bare = alice.creates::<Pod>(pod()).await;
        let job = alice.creates::<Job>(metaflow_job()).await?;
        let told = ns.is_told(&job.name_any(), "container miner").await;
        meddler.ends().await?;
        ns.runs_as(&bare?, ALICE).await?;
        told
    })
}

#[test]
fn a_changed_image_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let patch = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "evil.example/busybox"}]);
        let meddler = meddler(&ns, patch).await?;
        let answer = ns.alice().await?.creates::<Pod>(pod()).await;
        meddler.ends().await?;
        refused(answer)?
            .with(403)?
            .saying("what container main runs")?
            .saying("evil.example/busybox")?;
        Ok(())
    })
}

#[test]
fn a_listed_sidecar_is_let_in() -> Result<()> {
    with_namespace(|ns| async move {
        let proxy = json!({"name": "istio-proxy", "image": "gcr.io/istio/proxyv2:1.27"});
        let meddler = meddler(
            &ns,
            json!([{"op": "add", "path": "/spec/containers/-", "value": proxy}]),
        )
        .await?;
        let answer = ns.alice().await?.creates::<Pod>(pod()).await;
        meddler.ends().await?;
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
fn a_pod_on_the_hosts_network_is_refused_at_the_job() -> Result<()> {
    with_namespace(|ns| async move {
        let draft = metaflow_job().pod_field("hostNetwork", json!(true));
        refused(ns.alice().await?.creates::<Job>(draft).await)?
            .with(403)?
            .saying("hostNetwork")?
            .saying(ALICE)?;
        let made = ns.alice().await?.creates::<Job>(metaflow_job()).await?;
        ensure!(!made.name_any().is_empty());
        Ok(())
    })
}

#[test]
fn a_pod_that_no_rule_matches_keeps_an_allowed_account_and_gets_no_other() -> Result<()> {
    with_namespace(|ns| async move {
        let dave = ns.person("dave@elsewhere.example").await?;
        let made = dave.creates::<Pod>(pod()).await?;
        ensure!(account_of(&made) == "default", "{}", account_of(&made));
        let alices = ns.alice().await?.creates::<Pod>(pod()).await?;
        for account in ["metaflow", account_of(&alices)] {
            refused(dave.creates::<Pod>(pod().running_as(account)).await)?
                .with(403)?
                .saying(account)?
                .saying(&dave.name)?;
            let job = metaflow_job().running_as(account);
            refused(dave.creates::<Job>(job).await)?
                .with(403)?
                .saying(account)?;
        }
        Ok(())
    })
}

#[test]
fn where_the_rules_ask_for_the_metadata_server_a_pod_elsewhere_is_refused_at_the_job() -> Result<()>
{
    with_own_stack(Options::default(), |ns| async move {
        let (alice, selector) = (ns.alice().await?, "iam.gke.io/gke-metadata-server-enabled");
        let rules = format!("{SHARED_RULES}requireMetadataServer: true\n");
        ns.stack.rules_become(&rules).await??;
        eventually("the rules are in force", async || {
            refused(alice.dry_runs::<Job>(metaflow_job()).await)?
                .with(403)?
                .saying(selector)?
                .saying(ALICE)
        })
        .await?;
        refused(alice.creates::<Pod>(pod()).await)?
            .with(403)?
            .saying(selector)?;
        let there = metaflow_job().pod_field("nodeSelector", json!({selector: "true"}));
        let job = alice.creates::<Job>(there).await?;
        ns.runs_as(&ns.pod_of(&job).await?, ALICE).await?;
        Ok(())
    })
}

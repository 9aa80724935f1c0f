//! Where nothing can change a pod after our webhook, the API server skips the final check: attempts to skip it elsewhere.

use anyhow::{Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use namesake_api::names::{MODE_LABEL, SKIP_FINAL_CHECK_LABEL, VALIDATE_WEBHOOK};
use namesake_sandbox::{
    STACK,
    kubernetes::users::{ALICE, MALLORY},
};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{metaflow_job, pod},
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_namespace, with_own_stack},
    stack::{
        Options,
        other_webhook::{OtherWebhook, Reinvocation},
    },
};
use serde_json::{Value, json};

use super::{meddled, wait_until_meddled};

fn is_labelled(pod: &Pod) -> bool {
    pod.labels()
        .get(SKIP_FINAL_CHECK_LABEL)
        .is_some_and(|stack| stack == STACK)
}

/// Waits until pods of alice get the label: the webhook has seen that no other one comes after it.
async fn wait_until_labelled(ns: &TestNamespace) -> Result<()> {
    let alice = ns.alice().await?;
    // Her identity exists from now on, which a dry run needs.
    alice.create::<Pod>(pod()).await?;
    eventually("a pod gets the label", async || {
        let made = alice.dry_run::<Pod>(pod()).await?;
        ensure!(is_labelled(&made), "{:?}", made.labels());
        Ok(())
    })
    .await
}

/// Whether the API server called the final check when this pod was created.
async fn was_checked(ns: &TestNamespace, pod: &Pod) -> Result<bool> {
    let name = pod.name_any();
    eventually("the audit event of the pod", async || {
        let events = ns.stack.cluster().audit_events()?;
        let mut created = events.iter().filter(|event| {
            let about = &event["objectRef"];
            event["verb"] == "create" && about["name"] == name && about["namespace"] == ns.name
        });
        let Some(event) = created.next() else {
            anyhow::bail!("none of {name}");
        };
        let annotations = event["annotations"].as_object();
        let mut keys = annotations.into_iter().flatten().map(|(key, _)| key);
        Ok(keys.any(|key| key.starts_with(VALIDATE_WEBHOOK)))
    })
    .await
}

#[test]
fn the_final_check_is_skipped_where_nothing_changes_a_pod_after_our_webhook() -> Result<()> {
    with_namespace(|ns| async move {
        wait_until_labelled(&ns).await?;
        let made = ns
            .alice()
            .await?
            .create::<Pod>(pod().named("skipped"))
            .await?;
        ns.runs_as(&made, ALICE).await?;
        ensure!(is_labelled(&made), "{:?}", made.labels());
        ensure!(!was_checked(&ns, &made).await?, "it was checked");
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let made = ns.pod_of(&job).await?;
        ns.runs_as(&made, ALICE).await?;
        ensure!(is_labelled(&made), "{:?}", made.labels());
        Ok(())
    })
}

#[test]
fn a_label_that_somebody_writes_does_not_skip_the_final_check() -> Result<()> {
    with_namespace(|ns| async move {
        let bobs = ns.bob().await?.create::<Pod>(pod()).await?;
        let steals = || {
            let draft = pod().labelled(SKIP_FINAL_CHECK_LABEL, STACK);
            draft.running_as(account_of(&bobs))
        };
        let mallory = ns.mallory().await?;
        let made = mallory.create::<Pod>(steals()).await?;
        ns.runs_as(&made, MALLORY).await?;
        // Where our other webhooks are not called, the label does not survive until the namespace is switched on.
        let off = json!({"metadata": {"labels": {MODE_LABEL: "off"}}});
        let namespaces =
            Api::<k8s_openapi::api::core::v1::Namespace>::all(ns.admin().await?.client().clone());
        namespaces
            .patch(&ns.name, &PatchParams::default(), &Patch::Merge(off))
            .await?;
        let made = eventually("the namespace is switched off", async || {
            let draft = pod()
                .labelled(SKIP_FINAL_CHECK_LABEL, STACK)
                .running_as("metaflow");
            let made = mallory.create::<Pod>(draft).await?;
            ensure!(account_of(&made) == "metaflow", "{}", account_of(&made));
            Ok(made)
        })
        .await?;
        ensure!(
            !made.labels().contains_key(SKIP_FINAL_CHECK_LABEL),
            "{:?}",
            made.labels()
        );
        refused(mallory.create::<Pod>(steals()).await)?.with_code(403)?;
        Ok(())
    })
}

/// A stack that trusts the other webhook, so that it labels pods although another webhook comes after it.
fn trusting() -> Options {
    Options {
        trusted_webhooks: "zzz-*",
        ..Options::default()
    }
}

async fn beside(ns: &TestNamespace, patch: &Value, again: Reinvocation) -> Result<OtherWebhook> {
    wait_until_labelled(ns).await?;
    let other = OtherWebhook::start(ns, patch, again).await?;
    wait_until_meddled(ns).await?;
    Ok(other)
}

#[test]
fn a_pod_that_another_webhook_changes_after_ours_gets_a_final_check() -> Result<()> {
    with_own_stack(trusting(), |ns| async move {
        let harmless = beside(&ns, &json!([meddled()]), Reinvocation::IfNeeded).await?;
        let draft = pod().labelled("a", "b").named("changed");
        let made = ns.alice().await?.create::<Pod>(draft).await;
        harmless.delete().await?;
        let made = made?;
        ns.runs_as(&made, ALICE).await?;
        ensure!(!is_labelled(&made), "{:?}", made.labels());
        ensure!(was_checked(&ns, &made).await?, "it was not checked");
        Ok(())
    })
}

#[test]
fn a_container_that_another_webhook_adds_after_ours_is_refused_although_it_is_trusted() -> Result<()>
{
    with_own_stack(trusting(), |ns| async move {
        let miner = json!({"name": "miner", "image": "evil.example/miner"});
        let patch = json!([
            meddled(),
            {"op": "add", "path": "/spec/containers/-", "value": miner},
        ]);
        let other = beside(&ns, &patch, Reinvocation::Never).await?;
        let answer = ns
            .alice()
            .await?
            .create::<Pod>(pod().labelled("a", "b"))
            .await;
        other.delete().await?;
        refused(answer)?
            .with_code(403)?
            .with_message("container miner")?;
        Ok(())
    })
}

#[test]
fn beside_a_webhook_that_is_not_trusted_each_pod_gets_a_final_check() -> Result<()> {
    with_namespace(|ns| async move {
        wait_until_labelled(&ns).await?;
        let other = OtherWebhook::start(&ns, &json!([]), Reinvocation::Never).await?;
        let alice = ns.alice().await?;
        let answer = eventually("the webhook has seen the other one", async || {
            let made = alice.dry_run::<Pod>(pod()).await?;
            ensure!(!is_labelled(&made), "{:?}", made.labels());
            Ok(())
        })
        .await;
        other.delete().await?;
        answer
    })
}

//! Other webhooks after ours, and reinvocation.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use namesake_api::names::RESOLUTION_ANNOTATION;
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::pod,
    namespace::{TestNamespace, account_of, with_namespace},
    stack::other_webhook::{OtherWebhook, Reinvocation},
};
use serde_json::{Value, json};

use super::{meddled, wait_until_meddled};

/// Starts another webhook, and waits until the API server calls it.
async fn other_webhook(
    ns: &TestNamespace,
    mut patch: Value,
    again: Reinvocation,
) -> Result<OtherWebhook> {
    patch
        .as_array_mut()
        .into_iter()
        .for_each(|changes| changes.push(meddled()));
    let other_webhook = OtherWebhook::start(ns, &patch, again).await?;
    wait_until_meddled(ns).await?;
    Ok(other_webhook)
}

/// Creates a pod as alice.
async fn create_pod_as_alice(ns: &TestNamespace) -> Result<kube::Result<Pod>> {
    let alice = ns.alice().await?;
    Ok(alice.create(pod().labelled("a", "b")).await)
}

#[test]
fn a_harmless_webhook_after_ours_changes_nothing() -> Result<()> {
    with_namespace(|ns| async move {
        let other_webhook = other_webhook(&ns, json!([]), Reinvocation::IfNeeded).await?;
        let made = create_pod_as_alice(&ns).await??;
        other_webhook.delete().await?;
        ns.runs_as(&made, ALICE).await?;
        ensure!(
            made.labels()
                .get("meddled")
                .is_some_and(|value| value == "yes")
        );
        Ok(())
    })
}

fn replace_account() -> Value {
    json!([
        {"op": "add", "path": "/spec/serviceAccountName", "value": "metaflow"},
        {"op": "add", "path": "/spec/serviceAccount", "value": "metaflow"},
    ])
}

#[test]
fn our_webhook_is_reinvoked_and_restores_the_account() -> Result<()> {
    with_namespace(|ns| async move {
        let other_webhook = other_webhook(&ns, replace_account(), Reinvocation::Never).await?;
        let made = create_pod_as_alice(&ns).await??;
        other_webhook.delete().await?;
        ns.runs_as(&made, ALICE).await?;
        Ok(())
    })
}

#[test]
fn the_final_check_refuses_a_pod_whose_account_another_webhook_keeps_changing() -> Result<()> {
    with_namespace(|ns| async move {
        // Her identity exists, so the change is the only possible reason.
        ns.alice()
            .await?
            .create::<Pod>(pod().labelled("a", "b"))
            .await?;
        let other_webhook = other_webhook(&ns, replace_account(), Reinvocation::IfNeeded).await?;
        let answer = create_pod_as_alice(&ns).await?;
        other_webhook.delete().await?;
        refused(answer)?
            .with_code(403)?
            .with_message("serviceAccountName")?
            .with_message("metaflow")?
            .with_message("validate.namesake.dev")?;
        Ok(())
    })
}

#[test]
fn the_final_check_refuses_a_pod_whose_resolution_was_removed() -> Result<()> {
    with_namespace(|ns| async move {
        ns.alice()
            .await?
            .create::<Pod>(pod().labelled("a", "b"))
            .await?;
        let patch = json!([{"op": "replace", "path": "/metadata/annotations", "value": {}}]);
        let other_webhook = other_webhook(&ns, patch, Reinvocation::IfNeeded).await?;
        let answer = ns
            .alice()
            .await?
            .create::<Pod>(pod().labelled("a", "b").annotated("x", "y"))
            .await;
        other_webhook.delete().await?;
        refused(answer)?
            .with_code(403)?
            .with_message("has no resolution")?;
        Ok(())
    })
}

#[test]
fn the_final_check_refuses_a_pod_that_was_given_bobs_resolution_and_account() -> Result<()> {
    with_namespace(|ns| async move {
        let bobs = ns.bob().await?.create::<Pod>(pod()).await?;
        ns.runs_as(&bobs, BOB).await?;
        ns.alice().await?.create::<Pod>(pod()).await?;
        let path = RESOLUTION_ANNOTATION.replace('/', "~1");
        let stolen = json!([
            {"op": "add", "path": format!("/metadata/annotations/{path}"), "value": bobs.annotations()[RESOLUTION_ANNOTATION]},
            {"op": "add", "path": "/spec/serviceAccountName", "value": account_of(&bobs)},
            {"op": "add", "path": "/spec/serviceAccount", "value": account_of(&bobs)},
        ]);
        let other_webhook = other_webhook(&ns, stolen, Reinvocation::IfNeeded).await?;
        let answer = create_pod_as_alice(&ns).await?;
        other_webhook.delete().await?;
        refused(answer)?
            .with_code(403)?
            .with_message("resolution")?
            .with_message("validate.namesake.dev")?;
        Ok(())
    })
}

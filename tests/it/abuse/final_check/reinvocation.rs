//! Other webhooks after ours.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use namesake_api::names::RESOLUTION_ANNOTATION;
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::pod,
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_namespace},
    stack::meddler::{Again, Meddler},
};
use serde_json::{Value, json};

/// A meddler, once the API server asks it: its label is on the pods.
async fn meddler(ns: &TestNamespace, patch: Value, again: Again) -> Result<Meddler> {
    let mut patch = patch;
    let label = json!({"op": "add", "path": "/metadata/labels/meddled", "value": "yes"});
    patch
        .as_array_mut()
        .into_iter()
        .for_each(|changes| changes.push(label.clone()));
    let meddler = Meddler::starts(ns, &patch, again).await?;
    let alice = ns.alice().await?;
    eventually("the API server asks the meddler", async || {
        match alice.dry_runs::<Pod>(pod().labelled("a", "b")).await {
            Ok(made) => ensure!(made.labels().contains_key("meddled"), "not yet"),
            Err(kube::Error::Api(status)) => ensure!(status.code == 403, "{status:?}"),
            Err(other) => return Err(other.into()),
        }
        Ok(())
    })
    .await?;
    Ok(meddler)
}

/// What she is answered who makes a pod.
async fn alice_asks(ns: &TestNamespace) -> Result<kube::Result<Pod>> {
    let alice = ns.alice().await?;
    Ok(alice.creates(pod().labelled("a", "b")).await)
}

#[test]
fn a_harmless_webhook_after_ours_changes_nothing_for_us() -> Result<()> {
    with_namespace(|ns| async move {
        let meddler = meddler(&ns, json!([]), Again::IfNeeded).await?;
        let made = alice_asks(&ns).await??;
        meddler.ends().await?;
        ns.runs_as(&made, ALICE).await?;
        ensure!(
            made.labels()
                .get("meddled")
                .is_some_and(|value| value == "yes")
        );
        Ok(())
    })
}

fn takes_the_account() -> Value {
    json!([
        {"op": "add", "path": "/spec/serviceAccountName", "value": "metaflow"},
        {"op": "add", "path": "/spec/serviceAccount", "value": "metaflow"},
    ])
}

#[test]
fn we_are_asked_again_and_put_the_account_back() -> Result<()> {
    with_namespace(|ns| async move {
        let meddler = meddler(&ns, takes_the_account(), Again::Never).await?;
        let made = alice_asks(&ns).await??;
        meddler.ends().await?;
        ns.runs_as(&made, ALICE).await?;
        Ok(())
    })
}

#[test]
fn the_twin_refuses_a_pod_whose_account_somebody_insists_on_changing() -> Result<()> {
    with_namespace(|ns| async move {
        // Her identity is there, so that nothing but the change can be the reason.
        ns.alice()
            .await?
            .creates::<Pod>(pod().labelled("a", "b"))
            .await?;
        let meddler = meddler(&ns, takes_the_account(), Again::IfNeeded).await?;
        let answer = alice_asks(&ns).await?;
        meddler.ends().await?;
        refused(answer)?
            .with(403)?
            .saying("serviceAccountName")?
            .saying("metaflow")?
            .saying("validate.namesake.dev")?;
        Ok(())
    })
}

#[test]
fn the_twin_refuses_a_pod_whose_resolution_somebody_takes_away() -> Result<()> {
    with_namespace(|ns| async move {
        ns.alice()
            .await?
            .creates::<Pod>(pod().labelled("a", "b"))
            .await?;
        let patch = json!([{"op": "replace", "path": "/metadata/annotations", "value": {}}]);
        let meddler = meddler(&ns, patch, Again::IfNeeded).await?;
        let answer = ns
            .alice()
            .await?
            .creates::<Pod>(pod().labelled("a", "b").annotated("x", "y"))
            .await;
        meddler.ends().await?;
        refused(answer)?.with(403)?.saying("has no resolution")?;
        Ok(())
    })
}

#[test]
fn the_twin_refuses_a_pod_on_which_somebody_puts_bobs_resolution_and_account() -> Result<()> {
    with_namespace(|ns| async move {
        let bobs = ns.bob().await?.creates::<Pod>(pod()).await?;
        ns.runs_as(&bobs, BOB).await?;
        ns.alice().await?.creates::<Pod>(pod()).await?;
        let path = RESOLUTION_ANNOTATION.replace('/', "~1");
        let stolen = json!([
            {"op": "add", "path": format!("/metadata/annotations/{path}"), "value": bobs.annotations()[RESOLUTION_ANNOTATION]},
            {"op": "add", "path": "/spec/serviceAccountName", "value": account_of(&bobs)},
            {"op": "add", "path": "/spec/serviceAccount", "value": account_of(&bobs)},
        ]);
        let meddler = meddler(&ns, stolen, Again::IfNeeded).await?;
        let answer = alice_asks(&ns).await?;
        meddler.ends().await?;
        refused(answer)?
            .with(403)?
            .saying("resolution")?
            .saying("validate.namesake.dev")?;
        Ok(())
    })
}

//! The final check of pods, after all other webhooks.

mod pods;
mod reinvocation;
mod skipped;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use namesake_tests::{drafts::pod, eventually::eventually, namespace::TestNamespace};
use serde_json::{Value, json};

/// The operation by which another webhook labels the pods that it changes; they have labels already.
fn meddled() -> Value {
    json!({"op": "add", "path": "/metadata/labels/meddled", "value": "yes"})
}

/// Waits until the API server calls a webhook that does that: a pod of alice has the label, or is refused.
async fn wait_until_meddled(ns: &TestNamespace) -> Result<()> {
    let alice = ns.alice().await?;
    eventually("the API server calls the other webhook", async || {
        match alice.dry_run::<Pod>(pod().labelled("a", "b")).await {
            Ok(made) => ensure!(made.labels().contains_key("meddled"), "not yet"),
            Err(kube::Error::Api(status)) => ensure!(status.code == 403, "{status:?}"),
            Err(other) => return Err(other.into()),
        }
        Ok(())
    })
    .await
}

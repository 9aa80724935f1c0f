//! What a pod says while it waits at its gate, and what the broker may write there.

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use namesake_api::names::{DECISION_ANNOTATION, RESOLUTION_ANNOTATION, WAITING_ANNOTATION};
use namesake_core::DecisionId;
use namesake_tests::{
    cluster::{person::Person, refusal::refused},
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, with_own_stack},
    stack::Options,
};
use serde_json::{Value, json};

use super::{PROPAGATION, is_waiting};

/// A pod that waits until Google's clock is a minute later.
async fn waiting_pod(ns: &TestNamespace) -> Result<Pod> {
    let google = ns.stack.google();
    google.change_settings(|settings| settings.delays.policy = PROPAGATION)?;
    let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
    ns.pod_of(&job).await
}

fn waiting(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    Some((waiting.reason.clone()?, waiting.message.clone()?))
}

#[test]
fn a_pod_says_on_its_containers_why_it_waits_until_its_gate_opens() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let name = waiting_pod(&ns).await?.name_any();
        let pods: Api<Pod> = ns.alice().await?.all();
        let said = eventually("its containers say why they wait", async || {
            let pod = pods.get(&name).await?;
            let (reason, message) = waiting(&pod).context("nothing yet")?;
            Ok((pod, reason, message))
        });
        let (pod, reason, message) = said.await?;
        let annotations = pod.annotations();
        let signed = annotations
            .get(RESOLUTION_ANNOTATION)
            .context("not signed")?;
        let id = DecisionId::of_signed(signed).context("no id")?;
        ensure!(
            annotations
                .get(DECISION_ANNOTATION)
                .is_some_and(|text| text == id.as_str())
        );
        ensure!(message.ends_with(&format!(", decision {id})")), "{message}");
        ensure!(
            message.contains("this usually takes 2 to 7 minutes"),
            "{message}"
        );
        ensure!(message.contains("alice@acme.com"), "{message}");
        let annotation = format!("{reason}: {message}");
        ensure!(
            annotations.get(WAITING_ANNOTATION) == Some(&annotation),
            "{annotations:?}"
        );
        let clock = ns.stack.google().state().clock();
        clock.advance(SignedDuration::from_secs(61));
        ns.wait_until_ungated(&pod).await?;
        let after = pods.get(&name).await?;
        ensure!(waiting(&after).is_none(), "{:?}", after.status);
        Ok(())
    })
}

/// What the broker may write into the status of a pod that waits.
async fn check_status(broker: &Person, pod: &Pod) -> Result<()> {
    let pods: Api<Pod> = broker.all();
    let patch = async |status: Value| {
        let patch = Patch::Merge(json!({"status": status}));
        let params = PatchParams::default();
        pods.patch_status(&pod.name_any(), &params, &patch).await
    };
    let container = |state: Value, more: Value| {
        let mut status = json!({"name": pod.spec.as_ref().map(|spec| &spec.containers[0].name), "image": "python", "imageID": "", "ready": false,
            "restartCount": 0, "state": state});
        json_patch::merge(&mut status, &more);
        json!({"containerStatuses": [status]})
    };
    let waiting = json!({"waiting": {"reason": "Propagating", "message": "Google is slow"}});
    let terminated = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    let long = json!({"waiting": {"reason": "Propagating", "message": "x".repeat(1025)}});
    for status in [
        container(json!({"running": {}}), json!({})),
        container(terminated.clone(), json!({})),
        container(waiting.clone(), json!({"lastState": terminated})),
        container(waiting.clone(), json!({"ready": true})),
        container(waiting.clone(), json!({"restartCount": 1})),
        container(waiting.clone(), json!({"imageID": "sha256:0"})),
        container(long, json!({})),
        json!({"phase": "Running"}),
        json!({"podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}]}),
        json!({"nominatedNodeName": "mallorys"}),
        json!({"conditions": [{"type": "Ready", "status": "True"}]}),
    ] {
        refused(patch(status.clone()).await)
            .with_context(|| status.to_string())?
            .with_code(403)?
            .with_message("broker")?;
    }
    patch(container(waiting, json!({}))).await?;
    patch(json!({"containerStatuses": null})).await?;
    Ok(())
}

#[test]
fn in_the_status_of_a_waiting_pod_the_broker_writes_only_why_it_waits() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let pod = waiting_pod(&ns).await?;
        let broker = ns.broker().await?;
        check_status(&broker, &pod).await?;
        ensure!(
            is_waiting(&ns, &pod).await?,
            "the gate was opened too early for this test"
        );
        Ok(())
    })
}

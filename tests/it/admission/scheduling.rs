//! Our gates and the policies of pods, beside the real kube-scheduler: it places no pod that waits at a gate, and may preempt.

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use k8s_openapi::api::{
    core::v1::{Event, Pod},
    scheduling::v1::PriorityClass,
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
};
use namesake_sandbox::NODE;
use namesake_tests::{
    cluster::person::Person,
    drafts::{Draft, pod},
    eventually::eventually,
    namespace::{is_gated, node::with_node},
};
use serde_json::json;

/// Seconds that Google takes to apply a change, by its own clock: longer than a test.
const PROPAGATION: f64 = 600.0;

/// A pod that runs until it is stopped. The node has 10,000 processors.
fn task(processors: u32) -> Draft {
    let container = json!({"name": "main", "image": "busybox", "command": ["sleep", "600"],
        "resources": {"requests": {"cpu": processors.to_string()}}});
    pod()
        .pod_field("containers", json!([container]))
        .pod_field("terminationGracePeriodSeconds", json!(1))
}

async fn wait_until_running(person: &Person, name: &str) -> Result<Pod> {
    eventually(&format!("{name} runs on the node"), async || {
        let pod: Pod = person.all().get(name).await?;
        let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
        ensure!(
            phase == Some("Running") && node_of(&pod) == Some(NODE),
            "{:?}",
            pod.status
        );
        Ok(pod)
    })
    .await
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

#[test]
fn a_pod_at_our_gate_is_not_placed_before_the_broker_removes_the_gate() -> Result<()> {
    with_node(|ns| async move {
        let google = ns.stack.google();
        google.change_settings(|settings| settings.delays.policy = PROPAGATION)?;
        let alice = ns.alice().await?;
        let waits = alice.create::<Pod>(task(1)).await?.name_any();
        // A pod that nothing holds back, and that was created later, shows that kube-scheduler has seen both.
        let neighbour = ns.neighbour().await?;
        let admin = neighbour.admin().await?;
        let later = admin.create::<Pod>(task(1)).await?.name_any();
        wait_until_running(&admin, &later).await?;
        neighbour.delete().await?;
        let waiting: Pod = alice.all().get(&waits).await?;
        ensure!(
            is_gated(&waiting) && node_of(&waiting).is_none(),
            "{waiting:?}"
        );
        // What Google still has to apply was written before, so that it all is applied when the clock is that much ahead.
        google.change_settings(|settings| settings.delays.policy = 0.0)?;
        let clock = google.state().clock();
        clock.advance(SignedDuration::from_secs(601));
        let placed = wait_until_running(&alice, &waits).await?;
        ns.runs_as(&placed, "alice@acme.com").await?;
        Ok(())
    })
}

#[test]
fn a_pod_of_higher_priority_takes_the_place_of_another_users_pod() -> Result<()> {
    with_node(|ns| async move {
        let (alice, bob, admin) = (ns.alice().await?, ns.bob().await?, ns.admin().await?);
        let class: PriorityClass =
            serde_json::from_value(json!({"metadata": {"name": "urgent"}, "value": 1000}))?;
        let classes: Api<PriorityClass> = Api::all(admin.client().clone());
        classes.create(&PostParams::default(), &class).await?;
        let low = alice.create::<Pod>(task(9000)).await?.name_any();
        wait_until_running(&alice, &low).await?;
        let urgent = task(9000).pod_field("priorityClassName", json!("urgent"));
        let urgent = bob.create::<Pod>(urgent).await?.name_any();
        let placed = wait_until_running(&bob, &urgent).await?;
        ns.runs_as(&placed, "bob@acme.com").await?;
        ensure!(alice.all::<Pod>().get_opt(&low).await?.is_none());
        let events = admin.all::<Event>().list(&ListParams::default()).await?;
        let preempted = events.iter().find(|event| {
            event.reason.as_deref() == Some("Preempted")
                && event.involved_object.name.as_deref() == Some(&low)
        });
        preempted.context("kube-scheduler does not say that it preempted the pod")?;
        Ok(())
    })
}
